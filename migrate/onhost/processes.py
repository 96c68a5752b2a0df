"""Processes of this host, as /proc tells of them.

One that ends while it is looked at is left out by `groups` and `every`, and an OSError elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from migrate.onhost import disk

SHOWN = 80


def groups() -> dict[int, list[str]]:
    """Every process, and the parts of its control group's path from the outermost in."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            lines = [line.split(":", 2) for line in disk.text(f"/proc/{entry}/cgroup").splitlines()]
        except OSError:
            continue
        # "0::/system.slice/x.service", or on old hosts "1:name=systemd:/system.slice/x.service"
        paths = [path for _, kind, path in lines if kind in ("", "name=systemd")]
        found[int(entry)] = [part for path in paths for part in path.split("/") if part]
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
    return disk.text(f"/proc/{pid}/{about}").split("\0")


def command(pid: int) -> str:
    """How *pid* was called, to be shown."""
    words = " ".join(strings(pid, "cmdline")).strip()[:SHOWN]
    return words.encode(errors="replace").decode()


def parent(pid: int) -> tuple[int, str]:
    """The id of the parent of *pid*, and the name that *pid* goes by."""
    head, _, rest = disk.text(f"/proc/{pid}/stat").rpartition(")")
    return int(rest.split()[1]), head.partition("(")[2]


def children(pid: int) -> list[int]:
    """What *pid* has started; [] where it has ended."""
    try:
        return [int(one) for one in disk.text(f"/proc/{pid}/task/{pid}/children").split()]
    except OSError:
        return []
