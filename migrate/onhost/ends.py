"""Every database, broker and cache that this host's services are told to use: who is it really?

Each is connected to from here, as the service would, and the other end of that very connection is
looked for among this host's own sockets. So no password is needed, and no forwarder passes for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

from migrate.onhost import mariadb, record

RECORD = "isolation-proof"
SERVERS = {
    "database": ("mariadbd", "mysqld"),
    "broker": ("beam.smp",),
    "cache": ("memcached",),
}
PORTS = {"database": 3306, "broker": 5672, "cache": 11211}
# SQLAlchemy's way: anything up to the next @ may be in a password
DATABASE = (
    r"\b(?:mysql|mariadb)(?:\+\w+)?://(?:[^:/@\s]*(?::[^@]*)?@)?"
    r"(\[[^\]]+\](?::\d+)?|[^/?\s\"',)\]]*)"
)
SCHEMES = {
    "broker": r"(?:rabbit|amqp|amqps|kombu)",
    "cache": r"memcached",
}
CACHES = re.compile(r"^(memcached?_servers|LOCATION)$", re.IGNORECASE)
OPTION = re.compile(r"""^['"]?([A-Za-z_][\w-]*)['"]?\s*[=:]\s*(.*)$""")
SECTION = re.compile(r"^\[[^\]]+\]$")
SECONDS = 5.0
LOOKS = 8
LISTENS = "0A"


def prove(folders: list[str], cells: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Every end with who answered; kept for `proven` when all of them are this host's own.

    [{"where": "/etc/nova/nova.conf:12 connection", "kind": "database", "address": "10.0.0.10",
      "port": 3306, "own": True, "answer": "mariadbd of this host"}]
    """
    asked: dict[tuple[str, str, int], tuple[bool, str]] = {}
    found = []
    for one in [*named(folders), *_cells(cells)]:
        key = (one["kind"], one["address"], one["port"])
        if key not in asked:
            asked[key] = ask(*key)
        found.append({**one, "own": asked[key][0], "answer": asked[key][1]})
    if found and all(one["own"] for one in found):
        record.save(RECORD, {"digest": digest(folders)})
    return found


def proven(folders: list[str]) -> bool:
    """Whether the files are still those that were proven."""
    kept = record.load(RECORD)
    return kept is not None and kept["digest"] == digest(folders)


def forget() -> None:
    """No proof stands any more."""
    record.forget(RECORD)


def digest(folders: list[str]) -> str:
    """Of the text of every file that `named` reads."""
    whole = hashlib.sha256()
    for path in _files(folders):
        with open(path, "rb") as stream:
            whole.update(path.encode() + b"\0" + stream.read())
    return whole.hexdigest()


def named(folders: list[str]) -> list[dict[str, Any]]:
    """What the files name, one entry an address."""
    found = []
    for path in _files(folders):
        option = ""
        with open(path, errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                text = line.strip()
                if not text or text.startswith(("#", ";")):
                    continue
                # an indented line goes on with the value before it
                if SECTION.match(text) and not path.endswith(".py"):
                    option = ""
                elif match := OPTION.match(text):
                    option, text = match.groups()
                for kind, address, port in _ends(option, text):
                    where = f"{path}:{number} {option}"
                    found.append({"where": where, "kind": kind, "address": address, "port": port})
    return found


def _files(folders: list[str]) -> list[str]:
    found = []
    for folder in folders:
        for top, _, names in os.walk(folder):
            found += [f"{top}/{name}" for name in names if name.endswith((".conf", ".ini", ".py"))]
    return sorted(found)


def _ends(option: str, text: str) -> Iterator[tuple[str, str, int]]:
    for match in re.finditer(DATABASE, text):
        yield ("database", *_address(match[1], PORTS["database"]))
    for kind in ("broker", "cache"):
        for match in re.finditer(rf"\b{SCHEMES[kind]}://([^/\s]*)", text):
            # quotes and commas are legal in a password, so hosts are read from the end: what
            # stands before the last @ is never looked at, nor shown
            head, at, hosts = match[1].rstrip("\"',)]").rpartition("@")
            more = re.findall(r"@([\w.:\[\]-]+),", head + at) if kind == "broker" else []
            for one in [*more, *hosts.split(",")]:
                yield (kind, *_address(one, PORTS[kind]))
    if CACHES.match(option) and "://" not in text:
        quoted = re.findall(r"""['"]([^'"]+)['"]""", text)  # Django's settings are Python
        for one in quoted or re.split(r"[,\s]+", text):
            name = one.replace("inet:", "").replace("inet6:", "")
            if re.match(r"^[\w.:\[\]-]+$", name):
                yield ("cache", *_address(name, PORTS["cache"]))
    if argument := re.match(r"url:([\w.:\[\]-]+)$", text):  # backend_argument of oslo.cache
        yield ("cache", *_address(argument[1], PORTS["cache"]))


def _address(text: str, port: int) -> tuple[str, int]:
    match = re.match(r"^\[?(?P<host>[^\]]+?)\]?(?::(?P<port>\d+))?$", text)
    if not match:
        return text, port
    return match["host"], int(match["port"] or port)


def _cells(cells: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The URLs in the copied data itself; a template takes them from a file that `named` read."""
    found = []
    for one in cells if mariadb.present() else []:
        if not mariadb.sql(f"SHOW DATABASES LIKE '{one['database']}'"):
            continue
        if not mariadb.sql(f"SHOW TABLES FROM `{one['database']}` LIKE '{one['table']}'"):
            continue
        columns = ", ".join(f"`{one[c]}`" for c in ("name", "database_url", "broker_url"))
        table = f"`{one['database']}`.`{one['table']}`"
        for name, *urls in mariadb.sql(f"SELECT {columns} FROM {table}"):  # noqa: S608  recipes
            where = {"where": f"{one['database']}.{one['table']} of cell {name}"}
            for kind, address, port in (end for url in urls for end in _ends("", url)):
                if "{" not in address:
                    found.append({**where, "kind": kind, "address": address, "port": port})
    return found


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
