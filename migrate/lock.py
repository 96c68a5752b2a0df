"""One operator at a time: a lock that a crash releases and that says who holds it."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from migrate.errors import LockedError


def holder(home: Path) -> str:
    """Who holds the lock now, "" when nobody: "ann@desk pid 411 since 2026-… for cutover".

    The kernel is asked, not the file: a run that was killed leaves its name in there.
    """
    try:
        with (home / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return "{who} since {since} for {command}".format(**json.load(file))
    except (OSError, ValueError):
        pass
    return ""


@contextmanager
def held(home: Path, command: str) -> Iterator[None]:
    """Hold the stack's lock, or raise LockedError at once; the kernel drops it when we die."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LockedError(
                f"another run is at work on this stack: {holder(home)}; "
                "wait for it, or look with `migrate status`"
            ) from error
        said = {
            "who": f"{getpass.getuser()}@{socket.gethostname()} pid {os.getpid()}",
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(said).encode(), 0)
        yield
    finally:
        os.close(descriptor)
