"""Processes and control groups of machines: found again, and ended completely."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from migrate.cloud import wait
from migrate.errors import MigrateError


def remember(path: Path, pid: int) -> None:
    """Write *pid* with its start time, so that a number used again is not mistaken for it."""
    path.write_text(f"{pid} {_started(pid)}\n")


def recall(path: Path) -> int:
    """The process id in the file, or 0 when that process is gone."""
    try:
        pid, started = path.read_text().split()
    except (FileNotFoundError, ValueError):
        return 0
    return int(pid) if _started(int(pid)) == started else 0


def alive(path: Path) -> bool:
    """Whether the process remembered in the file still runs."""
    return recall(path) != 0


def forget(path: Path) -> None:
    """Remove the file."""
    path.unlink(missing_ok=True)


def children(pid: int) -> list[int]:
    """Direct children of *pid*."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in text.split()]


def make_group(name: str) -> list[Path]:
    """Control groups of machine *name*, one in each hierarchy that systemd looks at."""
    groups = _groups(name)
    if not groups:
        raise MigrateError("this host has no version 2 control group hierarchy: mount one")
    for group in groups:
        group.mkdir(exist_ok=True)
    return groups


def kill_group(name: str, seconds: float = 20) -> None:
    """Kill everything in the machine's control groups and remove them."""

    def left() -> list[str]:
        for group in _groups(name):
            if group.exists():
                _kill(group)
                _remove(group)
        return [str(group) for group in _groups(name) if group.exists()]

    if groups := wait.while_any(left, seconds, pause=0.05):
        raise MigrateError(f"processes of machine {name} do not die: see {', '.join(groups)}")


def _kill(group: Path) -> None:
    killer = group / "cgroup.kill"
    if killer.exists():
        killer.write_text("1")
        return
    for listing in group.rglob("cgroup.procs"):  # a version 1 hierarchy
        for pid in listing.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)


def _remove(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _groups(name: str) -> list[Path]:
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(where, f"sidestep-{name}"))
    return sorted(found, reverse=True)  # the version 2 one first: it can kill at once


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
