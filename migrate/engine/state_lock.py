"""One operator at a time: a lock that a crash releases and that says who holds it."""

import fcntl
import getpass
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from migrate.engine import state_directory
from migrate.errors import JournalError, LockedError


def holder(home: Path) -> str:
    """Who holds the lock now, "" when nobody: "ann@desk pid 411 since 2026-… for cutover"."""
    found = held_by(home)
    return "{who} since {since} for {command}".format(**found) if found else ""


def held_by(home: Path) -> dict[str, Any]:
    """What the holder said of itself, {} when nobody holds it.

    The kernel is asked, not the file: a run that was killed leaves its name in there.
    """
    try:
        with (home / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _parsed(home, file.read())
    except OSError:
        pass
    return {}


def name(home: Path) -> str:
    """The name by which a lock record on a machine is known to be of *home*; "" before any."""
    try:
        return str(_parsed(home, (home / "lock").read_bytes()).get("papers", ""))
    except OSError:
        return ""


def myself() -> str:
    """ "ann@desk pid 411" """
    return f"{getpass.getuser()}@{socket.gethostname()} pid {os.getpid()}"


def place(home: Path) -> str:
    """Where *home* is, for others: "desk:/srv/.migrate/lab"."""
    return f"{socket.gethostname()}:{home.resolve()}"


@contextmanager
def held(home: Path, command: str) -> Iterator[dict[str, Any]]:
    """Hold the directory's lock, or raise LockedError at once; the kernel drops it when we die.

    Gives {"who", "since", "command", "place", "papers"}. "papers" names this very file, whose lock
    we hold: a copy of the folder, or a file made anew while somebody still holds the old one, has
    another name or path.
    """
    try:
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise JournalError(
            f"{home / 'lock'} cannot be opened: {error.strerror}; make {home} a folder that we may "
            "write, or name another by MIGRATE_HOME"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LockedError(
                f"another run is at work on this stack: {_whoever(home)}; "
                "wait for it, or look with `migrate status`"
            ) from error
        before = _parsed(home, os.pread(descriptor, 65536, 0))
        ours = before.get("place") == place(home) and "papers" in before
        said = {
            "who": myself(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "place": place(home),
            "papers": before["papers"] if ours else secrets.token_hex(8),
        }
        text = json.dumps({"format": state_directory.FORMAT, **said}).encode()
        with suppress(OSError):  # the lock is held all the same: a full disk forbids no way back
            os.pwrite(descriptor, text, 0)  # before cutting: a kill in between leaves the name
            os.ftruncate(descriptor, len(text))
        yield said
    finally:
        os.close(descriptor)


def _whoever(home: Path) -> str:
    try:
        return holder(home)
    except JournalError:
        return "by another version of this program"


def _parsed(home: Path, text: bytes) -> dict[str, Any]:
    """The document at the head of *text*; the rest may be what a killed run did not cut."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text.decode())
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    state_directory.refuse_other(home / "lock", found.pop("format", 0))
    return found
