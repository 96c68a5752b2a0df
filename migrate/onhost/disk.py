"""One file of this host: read as it is, and replaced whole and durably or not at all.

Bytes that are no UTF-8 are escaped in texts as Python's `surrogateescape` does, both ways.
"""

import base64
import errno
import os
from collections.abc import Callable

FULL = (errno.ENOSPC, errno.EDQUOT)


def text(path: str, newline: str | None = "") -> str:
    """What is in *path*; ends of lines as they stand there, with None for *newline* as Python's."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline=newline) as stream:
        return stream.read()


def text_if_there(path: str) -> str:
    """The same; "" where there is no such file."""
    try:
        return text(path)
    except FileNotFoundError:
        return ""


def content(path: str) -> bytes:
    """The bytes of *path*."""
    with open(path, "rb") as stream:
        return stream.read()


def encoded(path: str) -> str:
    """The bytes of *path* in base64."""
    return base64.b64encode(content(path)).decode()


def write(path: str, text: str, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace *path* atomically and durably; whoever is killed in between leaves it as it was."""
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


def rewrite(path: str, text: str, how: Callable[..., None] = write) -> None:
    """*text* in the file *path*, whose owner and mode stay: it may tell what not all may read."""
    about = os.stat(path)
    how(path, text, about.st_mode & 0o7777, (about.st_uid, about.st_gid))


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
    _unlink(staged(path))


def remove(path: str) -> bool:
    """`clear`, and remove *path* itself; whether it was there."""
    clear(path)
    return _unlink(path)


def make_private(folder: str) -> None:
    """Make *folder*, and what is missing above it: root's alone, all of them."""
    before = os.umask(0o077)
    try:
        os.makedirs(folder, exist_ok=True)  # its mode would be the last folder's only
    finally:
        os.umask(before)


def remove_empty(folder: str) -> None:
    """Remove *folder*, unless it is gone, or somebody has put something of his own there."""
    try:
        os.rmdir(folder)
    except OSError:
        pass


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
