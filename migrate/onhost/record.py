"""What a host must remember, to undo what was done to it: one JSON file an idea, root only.

A record is whole and on the disk when `save` returns, and the act that it is for comes after.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from migrate.onhost import disk

FOLDER = "/var/lib/migrate"
VERSION = 1  # of what the records say; another program's are not read


def load(name: str) -> dict[str, Any] | None:
    """The record *name*; None where there is none, or half of one, whose act never began.

    RuntimeError where a program of another version wrote it.
    """
    path = _path(name)
    try:
        found: dict[str, Any] = json.loads(disk.text(path))
    except (FileNotFoundError, ValueError):
        return None
    version = found.pop("version", 0)
    if version != VERSION:
        raise RuntimeError(
            f"{path} is of version {version} and this program's records of {VERSION}: go back "
            "with the program that wrote it"
        )
    return found


def every(prefix: str) -> dict[str, dict[str, Any]]:
    """All records whose names begin with *prefix*, by name."""
    try:
        names = [one.removesuffix(".json") for one in sorted(os.listdir(FOLDER))]
    except FileNotFoundError:
        return {}
    found = {name: load(name) for name in names if name.startswith(prefix)}
    return {name: one for name, one in found.items() if one is not None}


def save(name: str, value: dict[str, Any]) -> None:
    """Keep *value*; it is on the disk when this returns."""
    disk.make_private(FOLDER)
    disk.write(_path(name), json.dumps({"version": VERSION, **value}, indent=1), 0o600)


def once(name: str, found: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The record *name*; where there is none, what is *found* now, before it is changed."""
    kept = load(name)
    if kept is None:
        kept = found()
        save(name, kept)
    return kept


def forget(name: str) -> None:
    """Remove the record *name*, and the folder when it was the last."""
    disk.remove(_path(name))
    tidy()


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.json"


def tidy() -> None:
    """Remove our folder if nothing is left in it."""
    disk.remove_empty(FOLDER)


@contextmanager
def locked(folder: str = "/run") -> Iterator[None]:
    """One at a time on this host: the operator's call or the reopening.

    A folder that is always there is locked: a file of our own would be left behind.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
