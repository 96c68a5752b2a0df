"""Processes of this host, as /proc tells of them.

One that ends while it is looked at is left out by `groups` and `every`, and an OSError elsewhere.
"""

import os
from collections.abc import Iterator

from migrate.onhost import disk

SHOWN = 80


def ids() -> list[int]:
    """Of every process."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def groups() -> dict[int, list[str]]:
    """Every process, and the parts of its control group's path from the outermost in."""
    found = {}
    for pid in ids():
        try:
            lines = [line.split(":", 2) for line in disk.text(f"/proc/{pid}/cgroup").splitlines()]
        except OSError:
            continue
        # "0::/system.slice/x.service", or on old hosts "1:name=systemd:/system.slice/x.service"
        paths = [path for _, kind, path in lines if kind in ("", "name=systemd")]
        found[pid] = [part for path in paths for part in path.split("/") if part]
    return found


def every() -> Iterator[tuple[int, set[str], int]]:
    """Every process: its id, the parts of its control group's path, its owner's number."""
    for pid, parts in groups().items():
        try:
            owner = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            continue
        yield pid, set(parts), owner


def strings(pid: int, about: str) -> list[str]:
    """The "cmdline" or "environ" of *pid*."""
    return disk.text(f"/proc/{pid}/{about}").rstrip("\0").split("\0")


def command(pid: int) -> str:
    """How *pid* was called, to be shown."""
    words = " ".join(strings(pid, "cmdline")).strip()[:SHOWN]
    return words.encode(errors="replace").decode()


def parent(pid: int) -> tuple[int, str]:
    """The id of the parent of *pid*, and the name that *pid* goes by."""
    name, fields = _stat(pid)
    return int(fields[1]), name


def started(pid: int) -> str:
    """When *pid* began, in the kernel's ticks since boot: another one of that id differs in it."""
    return _stat(pid)[1][19]


def is_still(pid: int) -> bool:
    """Whether it does nothing: held, or ended."""
    try:
        return _stat(pid)[1][0] in "TtZX"
    except OSError:
        return True


def kill(pid: int, number: int) -> None:
    """Send signal *number* to *pid*, which may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _stat(pid: int) -> tuple[str, list[str]]:
    head, _, rest = disk.text(f"/proc/{pid}/stat").rpartition(")")
    return head.partition("(")[2], rest.split()


def children(pid: int) -> list[int]:
    """What *pid* has started; [] where it has ended."""
    try:
        return [int(one) for one in disk.text(f"/proc/{pid}/task/{pid}/children").split()]
    except OSError:
        return []
