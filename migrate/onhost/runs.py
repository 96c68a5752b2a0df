"""Which run is at work on this host: who holds the cloud, and what earlier runs left running.

`lock.json` on the source's controllers says who holds the cloud, from where and since when. The
file of the admitted run is on every host; it is in /run, as a boot ends what it guards against.
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from migrate.onhost import disk, processes, record

RECORD = "lock"
CLAIM = "/var/lib"  # not the lock of the steps, which an orphan may hold
ADMITTED = "/run/migrate.run"
MARK = "MIGRATE_RUN="
WARM = "migrate-warm-"  # units that live on across runs; what they were asked to do does not
GRACE_SECONDS = 3.0
GIVE_UP_SECONDS = 30.0


def claim(mine: dict[str, Any], take_over: bool) -> dict[str, Any]:
    """Hold the cloud as *mine*, unless another directory does: {"mine": True, "before": record}.

    A record of the same directory is a dead predecessor's: their flock is ours.
    """
    with record.locked(CLAIM):
        before = record.load(RECORD)
        if before and before["papers"] != mine["papers"] and not take_over:
            return {"mine": False, "before": before}
        record.save(RECORD, mine)
    return {"mine": True, "before": before}


def holder() -> dict[str, Any] | None:
    """The record of who holds the cloud, or died holding it."""
    return record.load(RECORD)


def release(run: str) -> None:
    """Hold it no more; another's record stays."""
    with record.locked(CLAIM):
        before = record.load(RECORD)
        if before and before["run"] == run:
            record.forget(RECORD)


def admit(run: str) -> list[str]:
    """From here on only *run* may act here; what others still ran is ended first and told."""
    _write(run)
    return _end(lambda mark: mark != run)


def leave(run: str) -> None:
    """No run is at work here any more; another's name stays."""
    if _read().split(" ")[0] == run:
        os.unlink(ADMITTED)


def shut(run: str) -> list[str]:
    """End what *run* has running here and let it begin nothing more, until `readmit`."""
    if _read() in ("", run):
        _write(f"{run} interrupted")
    return _end(lambda mark: mark == run)


def readmit(run: str) -> None:
    """Undo `shut`, unless somebody else has been admitted since."""
    if _read().split(" ")[0] not in ("", run):
        raise RuntimeError("another run has taken over meanwhile")
    _write(run)


def _read() -> str:
    return disk.text_if_there(ADMITTED).strip()


def _write(text: str) -> None:
    disk.write(ADMITTED, text + "\n", 0o644)


def _end(ours: Callable[[str], bool]) -> list[str]:
    """End marked processes of runs that are *ours* to end; RuntimeError when one does not go."""
    told: dict[int, str] = {}
    began = time.monotonic()
    while found := _marked(ours):
        waited = time.monotonic() - began
        told.update(found)
        if waited > GIVE_UP_SECONDS:
            raise RuntimeError(
                "an earlier run left what cannot be ended: "
                + "; ".join(f"process {pid} ({what})" for pid, what in found.items())
            )
        for pid in found:
            processes.kill(pid, signal.SIGTERM if waited < GRACE_SECONDS else signal.SIGKILL)
        time.sleep(0.1)
    return [f"{what} (process {pid})" for pid, what in told.items()]


def _marked(ours: Callable[[str], bool]) -> dict[int, str]:
    """Living processes that carry such a mark, and what a warm tool does for one: pid to words."""
    found = {}
    here = os.readlink("/proc/self/ns/pid")  # containers on this host are hosts of their own
    for pid, parts, _ in processes.every():
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") != here:
                continue
            environment = processes.strings(pid, "environ")
            words = processes.command(pid)
        except OSError:
            continue
        marks = [one[len(MARK) :] for one in environment if one.startswith(MARK)]
        if (marks and ours(marks[0])) or _works_warm(pid, parts):
            found[pid] = words
    return found


def _works_warm(pid: int, parts: set[str]) -> bool:
    """Whether *pid* is what a waiting schema tool has forked to do a command."""
    if not any(part.startswith(WARM) for part in parts):
        return False
    try:
        return processes.parent(pid)[0] != 1
    except OSError:
        return False
