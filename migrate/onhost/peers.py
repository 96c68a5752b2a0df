"""Who is really at the other end: of every database, broker and cache that services here name.

Each is connected to from here, as the service would, and the other end of that very connection is
looked for among this host's own sockets. So no password is needed, and no forwarder passes for it.
"""

import glob
import hashlib
import os
import socket
import struct
import time
from typing import Any

from migrate.onhost import configured, disk, record, sockets

RECORD = "isolation-proof"
SERVERS = {"database": ("mariadbd", "mysqld"), "broker": ("beam.smp",), "cache": ("memcached",)}
SECONDS = 5.0
LOOKS = 8


def read(folders: list[str]) -> dict[str, Any]:
    """What `configured.read` says of the configuration files below *folders*, and their digest."""
    digest = _digest(folders)  # first: a file that changes meanwhile counts as not proven
    return {**configured.read([glob.escape(path) for path in _files(folders)]), "digest": digest}


def prove(named: list[dict[str, Any]], digest: str) -> list[dict[str, Any]]:
    """Every server with who answered; kept for `proven` when all of them are this host's own.

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
        whole.update(path.encode() + b"\0" + disk.content(path))
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
    server, client = ((sockets.plain(at), port) for at, port, *_ in (local, remote))
    asked = f"( sport = :{server[1]} and dport = :{client[1]} )"
    both = [one for one in sockets.every("-a", asked) if one[:2] == (server, client)]
    if not both:
        return ""
    # a server that has said no has closed already: then the one that listens there had it
    listen = [one for one in sockets.every("-l") if _listens(one.here, server)]
    return next((name for one in (*both, *listen) for name in one.holders.values()), "")


def _listens(here: tuple[str, int], server: tuple[str, int]) -> bool:
    wildcards = ("::",) if ":" in server[0] else ("::", "0.0.0.0")  # noqa: S104  read, not bound
    return here[1] == server[1] and here[0] in (server[0], *wildcards)
