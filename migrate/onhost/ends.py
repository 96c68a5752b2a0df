"""Every database, broker and cache that this host's services are told to use: who is it really?

Each is connected to from here, as the service would, and the other end of that very connection is
looked for among this host's own sockets. So no password is needed, and no forwarder passes for it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import socket
import struct
import time
from typing import Any

from migrate.onhost import configured, record

RECORD = "isolation-proof"
SERVERS = {
    "database": ("mariadbd", "mysqld"),
    "broker": ("beam.smp",),
    "cache": ("memcached",),
}
SECONDS = 5.0
LOOKS = 8
LISTENS = "0A"


def read(folders: list[str]) -> dict[str, Any]:
    """What `configured.read` says of the configuration files below *folders*, and their digest."""
    digest = _digest(folders)  # first: a file that changes meanwhile counts as not proven
    return {**configured.read([glob.escape(path) for path in _files(folders)]), "digest": digest}


def prove(named: list[dict[str, Any]], digest: str) -> list[dict[str, Any]]:
    """Every end with who answered; kept for `proven` when all of them are this host's own.

    *named* was read from files of *digest*:
    [{"where": "/etc/nova/nova.conf:12 connection", "kind": "database", "address": "10.0.0.10",
      "port": 3306}] comes back with {"own": True, "answer": "mariadbd of this host"} added
    """
    asked: dict[tuple[str, str, int], tuple[bool, str]] = {}
    found = []
    for one in named:
        key = (one["kind"], one["address"], one["port"])
        if key not in asked:
            asked[key] = ask(*key)
        found.append({**one, "own": asked[key][0], "answer": asked[key][1]})
    if found and all(one["own"] for one in found):
        record.save(RECORD, {"digest": digest})
    return found


def proven(folders: list[str]) -> bool:
    """Whether the files are still those that were proven."""
    kept = record.load(RECORD)
    return kept is not None and kept["digest"] == _digest(folders)


def forget() -> None:
    """No proof stands any more."""
    record.forget(RECORD)


def _digest(folders: list[str]) -> str:
    whole = hashlib.sha256()
    for path in _files(folders):
        with open(path, "rb") as stream:
            whole.update(path.encode() + b"\0" + stream.read())
    return whole.hexdigest()


def _files(folders: list[str]) -> list[str]:
    found = []
    for folder in folders:
        for top, _, names in os.walk(folder):
            found += [f"{top}/{name}" for name in names if name.endswith((".conf", ".ini", ".py"))]
    return sorted(found)


def ask(kind: str, address: str, port: int) -> tuple[bool, str]:
    """Whether a server of this very host is at the other end, and who it says it is."""
    try:
        stream = socket.create_connection((address, port), SECONDS)
    except OSError as error:
        return False, f"nobody: {error}"
    with stream:
        stream.settimeout(SECONDS)
        try:
            said = {"database": _mariadb, "broker": _broker, "cache": _cache}[kind](stream)
        except (OSError, struct.error, ValueError, KeyError, IndexError):
            said = "somebody who does not speak its protocol"
        here, there = stream.getsockname(), stream.getpeername()
        command = ""
        # the kernel's table is read piece by piece: while others come and go a row can be missed
        for _ in range(LOOKS):
            if command := _owner(there, here):
                break
            time.sleep(0.05)
    if not command:
        return False, f"{said} at {there[0]}, another host"
    if command not in SERVERS[kind]:
        return False, f"{command} of this host, which is no {kind} server"
    return True, f"{said}, {command} of this host"


def _mariadb(stream: socket.socket) -> str:
    packet = stream.recv(4096)
    if packet[4] == 0xFF:  # it refuses this host before it says who it is
        return f"a MariaDB that says {packet[7:].decode(errors='replace')!r}"
    return "MariaDB " + packet[5 : packet.index(b"\0", 5)].decode(errors="replace")


def _cache(stream: socket.socket) -> str:
    stream.sendall(b"stats\r\n")
    stats = dict(
        line.split(" ", 2)[1:]
        for line in stream.recv(4096).decode().split("\r\n")
        if line.count(" ") == 2
    )
    return f"memcached {stats['version']} with process id {stats['pid']}" if "pid" in stats else "?"


def _broker(stream: socket.socket) -> str:
    stream.sendall(b"AMQP\x00\x00\x09\x01")
    text = stream.recv(8192)
    # Connection.Start carries server-properties before any login: a table of short names
    at = text.index(b"\x0ccluster_nameS")
    length = struct.unpack("!I", text[at + 14 : at + 18])[0]
    return "RabbitMQ " + text[at + 18 : at + 18 + length].decode(errors="replace")


def _owner(local: tuple[Any, ...], remote: tuple[Any, ...]) -> str:
    """The program of this host at the end *local* of the connection from *remote*, or ""."""
    rows: list[tuple[Any, ...]] = []
    for table, size in (("/proc/net/tcp", 4), ("/proc/net/tcp6", 16)):
        try:
            with open(table) as stream:
                rows += [(*line.split(), size) for line in stream.readlines()[1:]]
        except OSError:
            continue
    both = [r for r in rows if _same(r[1], local, r[-1]) and _same(r[2], remote, r[-1])]
    if not both:
        return ""
    # a server that has said no has closed already: then the one that listens there had it
    listen = [r for r in rows if r[3] == LISTENS and _listens(r[1], local, r[-1])]
    inodes = [row[9] for row in (*both, *listen) if row[9] != "0"]
    return _program(inodes[0]) if inodes else ""


def _program(inode: str) -> str:
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            handles = os.listdir(f"/proc/{entry}/fd")
            if any(os.readlink(f"/proc/{entry}/fd/{h}") == f"socket:[{inode}]" for h in handles):
                with open(f"/proc/{entry}/comm") as stream:
                    return stream.read().strip()
        except OSError:
            continue
    return ""


def _listens(text: str, address: tuple[Any, ...], size: int) -> bool:
    host, _, port = text.partition(":")
    return _same(text, address, size) or (
        int(port, 16) == address[1] and not int(host, 16) and (size == 16 or ":" not in address[0])
    )


def _same(text: str, address: tuple[Any, ...], size: int) -> bool:
    host, _, port = text.partition(":")
    if int(port, 16) != address[1]:
        return False
    words = [host[i : i + 8] for i in range(0, len(host), 8)]
    raw = b"".join(bytes.fromhex(word)[::-1] for word in words)
    if ":" in address[0]:
        return size == 16 and raw == socket.inet_pton(socket.AF_INET6, address[0])
    mapped = socket.inet_aton(address[0])
    return raw == (mapped if size == 4 else b"\0" * 10 + b"\xff\xff" + mapped)
