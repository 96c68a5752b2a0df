"""Connections that reach the operator's proxy past the front, and their end, each while it is idle.

The kernel is asked and told by netlink (inet_diag): `ss` looks through /proc in between, in which
time a client sends its next request. A connection is idle that was answered since it last asked.
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

DIAG, BY_FAMILY, DESTROY, DONE = 4, 20, 21, 3  # of linux/sock_diag.h and linux/netlink.h
REQUEST, DUMP, ACK = 1, 0x300, 4
ESTABLISHED = 1 << 1
TCP_INFO = 2
IDLE_MS, LONG_MS = 20, 5000  # a long answer may be between two of its parts


class Connection(NamedTuple):
    """One, as inet_diag has it: `name` is its id there; `quiet` whether nothing is on its way."""

    name: bytes
    here: "tuple[str, int]"
    there: "tuple[str, int]"
    inode: int
    quiet: bool


def end(heard: "list[Any]", spared: str, pids: Iterable[int], *, idle: bool) -> "list[str]":
    """End those at *heard* that are not of *pids*, nor from *spared*; with *idle* only idle ones.

    Those left, e.g. "10.0.0.2:51034 at 10.0.0.10:8774".
    """
    at = {(address, port) for address, port in heard}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, DIAG) as line:
        ours = _inodes(pids)
        found = [
            one
            for port in sorted({port for _, port in at})
            for one in _ask(line, DUMP, port, b"")
            # one that nobody has taken yet may be the front's
            if one.here in at and one.there[0] != spared and one.inode and one.inode not in ours
        ]
        ours = _inodes(pids)  # taken by the front meanwhile
        left = []
        for one in found:
            if one.inode in ours or _end(line, one, idle=idle):
                continue
            left.append(f"{one.there[0]}:{one.there[1]} at {one.here[0]}:{one.here[1]}")
    return left


def _end(line: socket.socket, one: Connection, *, idle: bool) -> bool:
    """Look at it alone again, and end it at once; whether it is gone."""
    now = next(_ask(line, 0, one.here[1], one.name), None)
    if now is None:
        return True
    if (idle and not now.quiet) or not now.inode:  # nobody has taken it yet
        return False
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, ESTABLISHED) + now.name
    _send(line, DESTROY, ACK, body)
    (failed,) = struct.unpack_from("=i", line.recv(65536), 16)
    return not failed


def _ask(line: socket.socket, how: int, port: int, name: bytes) -> Iterator[Connection]:
    """The established ones at *port*, or just that of *name*."""
    which = name or struct.pack("!HH", port, 0) + bytes(44)
    wanted = 1 << (TCP_INFO - 1)
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, wanted, 0, ESTABLISHED)
    _send(line, BY_FAMILY, how, body + which)
    more = True
    while more:
        data = line.recv(1 << 20)
        more = bool(how)
        while len(data) >= 16:
            size, kind = struct.unpack_from("=IH", data)
            message, data = data[16:size], data[(size + 3) & ~3 :]
            if kind == DONE:
                more = False
            elif kind == BY_FAMILY and message[1] == 1:
                yield _read(message)


def _read(message: bytes) -> Connection:
    name = message[4:52]
    own, peer = struct.unpack_from("!HH", name)
    here, there = (socket.inet_ntoa(name[at : at + 4]) for at in (4, 20))
    unread, unsent, _, inode = struct.unpack_from("=IIII", message, 56)
    quiet, at = False, 72
    while at + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, at)
        if kind == TCP_INFO:
            quiet = not (unread or unsent) and _answered(message[at + 4 : at + size])
        at += max(4, (size + 3) & ~3)
    return Connection(name, (here, own), (there, peer), inode, quiet)


def _answered(info: bytes) -> bool:
    """Whether all that was asked is answered, by the kernel's tcp_info."""
    (unacked,) = struct.unpack_from("=I", info, 24)
    (sent,) = struct.unpack_from("=I", info, 44)  # milliseconds since the last answer went
    (received,) = struct.unpack_from("=I", info, 52)
    (acked,) = struct.unpack_from("=Q", info, 120)  # 1 for the SYN: never answered
    idle = IDLE_MS if received - sent < 1000 else LONG_MS
    return not unacked and acked > 16 and sent <= received and sent >= idle


def _send(line: socket.socket, kind: int, flags: int, body: bytes) -> None:
    line.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 0, 0) + body)


def _inodes(pids: Iterable[int]) -> "set[int]":
    """Sockets of *pids*."""
    found = set()
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            try:
                kind, _, number = os.readlink(f"{folder}/{name}").partition(":")
            except OSError:
                continue
            if kind == "socket":
                found.add(int(number.strip("[]")))
    return found
