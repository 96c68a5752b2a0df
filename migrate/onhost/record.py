"""What a host must remember, to undo what was done to it: one JSON file an idea, root only.

A record is whole and on the disk when `save` returns, and the act that it is for comes after.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FOLDER = "/var/lib/migrate"
FULL = (errno.ENOSPC, errno.EDQUOT)
VERSION = 1  # of what the records say; another program's are not read


def load(name: str) -> dict[str, Any] | None:
    """The record *name*; None where there is none, or half of one, whose act never began.

    RuntimeError where a program of another version wrote it.
    """
    path = _path(name)
    try:
        with open(path) as stream:
            found: dict[str, Any] = json.load(stream)
    except FileNotFoundError:
        return None
    except ValueError:
        return None
    version = found.pop("version", 0)
    if version != VERSION:
        raise RuntimeError(
            f"{path} is of version {version} and this program's records of {VERSION}: go back "
            "with the program that wrote it"
        )
    return found


def save(name: str, value: dict[str, Any]) -> None:
    """Keep *value*; it is on the disk when this returns."""
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    write(_path(name), json.dumps({"version": VERSION, **value}, indent=1), 0o600)


def forget(name: str) -> None:
    """Remove the record *name*, and the folder when it was the last."""
    try:
        os.unlink(_path(name))
    except FileNotFoundError:
        pass
    clear(_path(name))
    tidy()


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.json"


def tidy() -> None:
    """Remove our folder if nothing is left in it."""
    try:
        os.rmdir(FOLDER)
    except OSError:
        pass


def write(path: str, text: str, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace *path* atomically and durably; whoever is killed in between leaves it as it was.

    Bytes that are no UTF-8 are escaped in *text* as Python's `surrogateescape` does.
    """
    descriptor = os.open(staged(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
            if owner:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        os.rename(staged(path), path)
    except BaseException:
        clear(path)
        raise
    # a note made before the act must outlive a power cut that the act outlives
    durable(os.path.dirname(path))


def write_back(path: str, text: str, mode: int, owner: tuple[int, int]) -> None:
    """`write`; on a full disk in the room that what is there takes: no other would come free."""
    try:
        write(path, text, mode, owner)
    except OSError as error:
        if error.errno not in FULL or os.path.islink(path):
            raise
        with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            os.fchmod(stream.fileno(), mode)
            os.fchown(stream.fileno(), *owner)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())


def durable(path: str) -> None:
    """Return when the file or folder *path* is on the disk as it is now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def staged(path: str) -> str:
    """Where the next *path* is written; hidden, or a service that reads whole folders reads it."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.migrate-new")


def clear(path: str) -> None:
    """Remove what a killed writer of *path* left beside it."""
    try:
        os.unlink(staged(path))
    except FileNotFoundError:
        pass


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
