"""TCP sockets of this host as its kernel tells them, each with who holds it."""

import ipaddress
import re
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from migrate.onhost import processes
from migrate.onhost.systemd import run

PROCESS = re.compile(r'\("([^"]*)",pid=(\d+)')
ANY = ("*", "0.0.0.0", "::")  # noqa: S104  it is read, not bound
PAUSE = 1.0
LOGIN = "sshd"  # its children, which newer ones call sshd-session


class Socket(NamedTuple):
    """The two ends of one, address and port, and the programs that hold it by process."""

    here: tuple[str, int]
    there: tuple[str, int]
    holders: dict[int, str]


def every(*asked: str) -> list[Socket]:
    """What `ss` tells of TCP when *asked* so: `-l`, or a state and a filter."""
    found = []
    for line in run("ss", "-Htnp", *asked).splitlines():
        ends = re.findall(r"(\S+):(\d+|\*)(?=\s|$)", line.partition("users:")[0])
        if len(ends) > 1:
            here, there = ((plain(at), int(port) if port != "*" else 0) for at, port in ends[:2])
            found.append(
                Socket(here, there, {int(pid): name for name, pid in PROCESS.findall(line)})
            )
    return found


def held(pids: Iterable[int]) -> list[tuple[str, int]]:
    """The sockets on which any of *pids* listens."""
    ours = set(pids)
    return sorted({one.here for one in every("-l") if ours & set(one.holders)})


def others(pids: Iterable[int]) -> list[tuple[str, int, str]]:
    """The sockets that somebody else than *pids* listens on, with the program's name."""
    ours = set(pids)
    held_by = ((one.here, pid, name) for one in every("-l") for pid, name in one.holders.items())
    return sorted({(*here, name) for here, pid, name in held_by if pid not in ours})


def open_ports() -> list[int]:
    """The ports on which anybody listens."""
    return sorted({one.here[1] for one in every("-l")})


def everywhere(address: str) -> bool:
    """Whether a socket at *address* hears calls for every address of the host."""
    return address in ANY


def inside(address: str) -> bool:
    """Whether nobody but this host itself can call *address*."""
    return ipaddress.ip_address(address).is_loopback


def plain(address: str) -> str:
    """Without brackets, interface, and the prefix of an IPv4 address in IPv6."""
    bare = address.strip("[]").partition("%")[0].strip("[]").replace("::ffff:", "")
    return "::" if bare == "*" else bare


def listening() -> list[dict[str, Any]]:
    """Who listens: [{"address": "10.0.0.10", "port": 8774, "program": "haproxy", "unit": ...}].

    A wildcard's address is "". What somebody does by ssh at this moment (an operator's client, our
    own checks) is told neither here nor by `connected`.
    """
    found = []
    for local, _, holder in _lasting("-l"):
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
    rows = _lasting("state", "established", f"( {words} )")
    return [{"local": [*here], "remote": [*there], **holder} for here, there, holder in rows]


def running() -> list[str]:
    """The units that have processes; a state alone is not believed."""
    return sorted({_unit(parts) for parts in processes.groups().values()} - {""})


def _lasting(*asked: str) -> list[tuple[tuple[str, int], tuple[str, int], dict[str, str]]]:
    rows = every(*asked)
    groups, found = processes.groups(), []
    for here, there, holders in rows:
        alive = [pid for pid in holders if pid in groups]
        if any(_by_login(pid) for pid in alive):
            continue
        if holders and not alive:
            continue  # it has ended since, as a client does that one of our checks has started
        pid = alive[0] if alive else 0
        holder = {"program": holders.get(pid, ""), "unit": _unit(groups.get(pid, []))}
        found.append((here, there, holder))
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
            parent, name = processes.parent(pid)
        except OSError:
            if pid == first:
                return True  # it has ended, and its connection with it
            pid = first  # whoever stood between has ended: others are its parents now
            continue
        if parent <= 1:
            return False  # a daemon, sshd's own too
        if name.startswith(LOGIN):
            return True
        pid = parent
    return False
