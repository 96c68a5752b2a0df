"""What a host must remember to undo what was done to it: one JSON file an idea, root only."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FOLDER = "/var/lib/migrate"
STAGED = (".migrate-new", ".migrate-check")  # beside a file that is about to be replaced


def load(name: str) -> dict[str, Any] | None:
    """The record *name*; None where there is none."""
    try:
        with open(f"{FOLDER}/{name}.json") as stream:
            found: dict[str, Any] = json.load(stream)
            return found
    except FileNotFoundError:
        return None


def save(name: str, value: dict[str, Any]) -> None:
    """Keep *value*; it is on the disk when this returns."""
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    write(f"{FOLDER}/{name}.json", json.dumps(value, indent=1), 0o600)


def forget(name: str) -> None:
    """Remove the record *name*, and the folder when it was the last."""
    try:
        os.unlink(f"{FOLDER}/{name}.json")
    except FileNotFoundError:
        pass
    clear(f"{FOLDER}/{name}.json")
    tidy()


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
    staged = f"{path}{STAGED[0]}"
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        if owner:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    os.rename(staged, path)
    # a note made before the act must outlive a power cut that the act outlives
    durable(os.path.dirname(path))


def durable(path: str) -> None:
    """Return when the file or folder *path* is on the disk as it is now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(name: str, path: str) -> None:
    """Record as *name* what is at *path*, also that nothing is; once, before it is replaced."""
    if load(name) is not None:
        return
    found: dict[str, Any] = {"path": path, "kind": "absent"}
    if os.path.islink(path):
        found.update(kind="link", to=os.readlink(path))
    elif os.path.exists(path):
        about = os.stat(path)
        with open(path, "rb") as stream:
            text = base64.b64encode(stream.read()).decode()
        owner = [about.st_uid, about.st_gid]
        found.update(kind="file", text=text, mode=about.st_mode & 0o7777, owner=owner)
    save(name, found)


def put_back(name: str) -> bool:
    """Undo what followed `set_aside`: bytes, owner, mode or link; whether there was a record."""
    kept = load(name)
    if kept is None:
        return False
    path = kept["path"]
    clear(path)
    if kept["kind"] == "absent":
        if os.path.lexists(path):
            os.unlink(path)
    elif kept["kind"] == "link":
        os.symlink(kept["to"], path + STAGED[0])
        os.rename(path + STAGED[0], path)
    else:
        with open(path + STAGED[0], "wb") as stream:
            stream.write(base64.b64decode(kept["text"]))
            os.chown(stream.fileno(), *kept["owner"])
            os.fchmod(stream.fileno(), kept["mode"])
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(path + STAGED[0], path)
    if os.path.isdir(os.path.dirname(path)):
        durable(os.path.dirname(path))
    forget(name)
    return True


def clear(path: str) -> None:
    """Remove what a killed writer of *path* left beside it."""
    for suffix in STAGED:
        try:
            os.unlink(path + suffix)
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
