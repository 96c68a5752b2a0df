"""TCP sockets of this host as its kernel tells them, each with the unit that holds it.

What somebody does by ssh at this moment (an operator's client, our own checks) is not told.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

from migrate.onhost.systemd import run

PROCESS = re.compile(r'\("([^"]*)",pid=(\d+)')
ANY = ("*", "0.0.0.0", "::")  # noqa: S104  it is read, not bound
PAUSE = 1.0
LOGIN = "sshd"  # its children, which newer ones call sshd-session


def listening() -> list[dict[str, Any]]:
    """Who listens: [{"address": "10.0.0.10", "port": 8774, "program": "haproxy", "unit": ...}].

    A wildcard's address is "".
    """
    found = []
    for local, _, holder in _rows("-Htlnp"):
        address = "" if local[0] in ANY else local[0]
        found.append({"address": address, "port": local[1], **holder})
    return found


def connected(ports: list[int]) -> list[dict[str, Any]]:
    """What has one of *ports* at either end: [{"local": [address, port], "remote": [...], ...}]."""
    if not ports:
        return []
    found = _connected(ports)
    if all(row["program"] for row in found):
        return found
    time.sleep(PAUSE)  # a client that ended while it was looked at is told as nobody's, once
    still = [(row["local"], row["remote"]) for row in _connected(ports) if not row["program"]]
    return [row for row in found if row["program"] or (row["local"], row["remote"]) in still]


def _connected(ports: list[int]) -> list[dict[str, Any]]:
    words = " or ".join(f"dport = :{port} or sport = :{port}" for port in ports)
    rows = _rows("-Htnp", "state", "established", f"( {words} )")
    return [{"local": local, "remote": remote, **holder} for local, remote, holder in rows]


def running() -> list[str]:
    """The units that have processes; a state alone is not believed."""
    return sorted({_unit(parts) for parts in _groups().values()} - {""})


def _rows(*argv: str) -> list[tuple[list[Any], list[Any], dict[str, str]]]:
    lines = run("ss", *argv).splitlines()
    groups, found = _groups(), []
    for line in lines:
        ends = re.findall(r"(\S+):(\d+|\*)(?=\s|$)", line.partition("users:")[0])
        holders = [(program, int(pid)) for program, pid in PROCESS.findall(line)]
        alive = [(program, pid) for program, pid in holders if pid in groups]
        if len(ends) < 2 or any(_by_login(pid) for _, pid in alive):
            continue
        if holders and not alive:
            continue  # it has ended since, as a client does that one of our checks has started
        program, pid = alive[0] if alive else ("", 0)
        holder = {"program": program, "unit": _unit(groups.get(pid, []))}
        local, remote = ([_plain(a), int(p) if p != "*" else 0] for a, p in ends[:2])
        found.append((local, remote, holder))
    return found


def _plain(address: str) -> str:
    """Without brackets, interface, and the prefix of an IPv4 address in IPv6."""
    return address.strip("[]").partition("%")[0].strip("[]").replace("::ffff:", "")


def _groups() -> dict[int, list[str]]:
    """The control group's path of every process."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cgroup") as stream:
                lines = [line.split(":", 2) for line in stream.read().splitlines()]
        except OSError:
            continue
        paths = [path for _, kind, path in lines if kind in ("", "name=systemd")]
        found[int(entry)] = [part for path in paths for part in path.split("/") if part]
    return found


def _unit(parts: list[str]) -> str:
    """The innermost unit of a control group's path; "" of a kernel's own process."""
    units = [part for part in parts if part.endswith((".service", ".scope"))]
    return units[-1] if units else ""


def _by_login(pid: int) -> bool:
    """Whether *pid* was started by somebody who is logged in, or is no more."""
    first = pid
    for _ in range(64):
        try:
            with open(f"/proc/{pid}/stat") as stream:
                text = stream.read()
        except OSError:
            if pid == first:
                return True  # it has ended, and its connection with it
            pid = first  # whoever stood between has ended: others are its parents now
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        if parent <= 1:
            return False  # a daemon, sshd's own too
        if text.partition("(")[2].startswith(LOGIN):
            return True
        pid = parent
    return False
