"""Files of this host: as they are, and as they are wanted, with a way back."""

import glob
import grp
import hashlib
import os
import pwd
from typing import Any

from migrate.onhost import disk, undo


def read(patterns: list[str], exact: bool = False) -> dict[str, str]:
    """Texts of the files that *patterns* match, by path.

    The ends of lines are Python's, as oslo.config reads them, or *exact*: as they stand there.
    """
    found = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            if os.path.isfile(path):
                found[path] = disk.text(path, "" if exact else None)
    return found


def existing(paths: list[str]) -> list[str]:
    """Those of *paths* that are here, of any kind."""
    return [path for path in paths if os.path.exists(path)]


def in_place(rows: list[list[Any]]) -> bool:
    """Whether every file of *rows*, [[path, text, mode, "user:group"]], is here as it says."""
    return all(_is(*row) for row in rows)


def _is(path: str, wanted: str, mode: int, owner: str) -> bool:
    try:
        about = os.stat(path)
        names = pwd.getpwuid(about.st_uid).pw_name, grp.getgrgid(about.st_gid).gr_name
        same = disk.text(path) == wanted
    except (OSError, KeyError):
        return False
    return same and about.st_mode & 0o7777 == mode and ":".join(names) == owner


def write(name: str, rows: list[list[Any]]) -> None:
    """Write the files of *rows*; what is here, and which folders are new, is noted as *name* first.

    A file that an earlier write made under that name and that is not in *rows* goes.
    """
    undo.note(name, [one for row in rows for one in (*undo.folders(row[0]), undo.file(row[0]))])
    for path, wanted, mode, owner in rows:
        numbers = _numbers(owner)
        for folder in undo.folders(path):
            os.mkdir(folder["path"])
            os.chmod(folder["path"], 0o750)  # noqa: S103  its group is the service's
            os.chown(folder["path"], *numbers)
        disk.write(path, wanted, mode, numbers)
    undo.keep_only(name, [row[0] for row in rows])


def digests(paths: list[str]) -> dict[str, str]:
    """The first 12 hex digits of the SHA-256 of those of *paths* that are here."""
    found = {}
    for path in paths:
        try:
            found[path] = hashlib.sha256(disk.content(path)).hexdigest()[:12]
        except FileNotFoundError:
            pass
    return found


def put(rows: list[list[Any]]) -> None:
    """Write the files of *rows* without a way back: `remove` is one."""
    for path, wanted, mode, owner in rows:
        os.makedirs(os.path.realpath(os.path.dirname(path)), 0o755, exist_ok=True)
        disk.write(path, wanted, mode, _numbers(owner))


def _numbers(owner: str) -> tuple[int, int]:
    user, _, group = owner.partition(":")
    return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid


def remove(paths: list[str]) -> None:
    """Remove *paths*, and folders of ours that this leaves empty."""
    for path in paths:
        disk.remove(path)
        folder = os.path.dirname(path)
        while "sidestep" in folder and os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
            folder = os.path.dirname(folder)
