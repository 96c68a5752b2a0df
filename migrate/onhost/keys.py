"""Folders of keys: read on one host, put in place on another, and taken back there."""

import base64
import os
import pwd
import shutil
from typing import Any

from migrate.onhost import disk, undo


def read(folders: list[str]) -> list[list[Any]]:
    """Every key in *folders*: [[path, content in base64, mode]]."""
    found = []
    for folder in folders:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found.append([path, disk.encoded(path), os.stat(path).st_mode & 0o777])
    return found


def in_place(user: str, folders: list[str], keys: list[list[Any]]) -> bool:
    """Whether *folders* hold *keys*, of *user*, and no others."""
    owner = pwd.getpwnam(user).pw_uid
    try:
        here = sorted(os.path.join(folder, n) for folder in folders for n in os.listdir(folder))
        return here == sorted(key[0] for key in keys) and all(_is(owner, *key) for key in keys)
    except OSError:
        return False


def _is(owner: int, path: str, content: str, mode: int) -> bool:
    about = os.stat(path)
    return disk.encoded(path) == content and about.st_mode & 0o777 == mode and about.st_uid == owner


def write(name: str, user: str, folders: list[str], keys: list[list[Any]]) -> None:
    """Put *keys* in place of whatever *folders* hold; that is noted as *name* first.

    A folder is made whole beside its place and then put there, so it never holds half the keys.
    """
    person = pwd.getpwnam(user)
    undo.note(name, [one for path in folders for one in (*undo.folders(path), undo.tree(path))])
    for folder in folders:
        staged = undo.beside(folder)
        shutil.rmtree(staged, ignore_errors=True)
        os.makedirs(staged, 0o700)
        for path, content, mode in keys:
            if os.path.dirname(path) == folder:
                _put(os.path.join(staged, os.path.basename(path)), content, mode, person)
        os.chown(staged, person.pw_uid, person.pw_gid)
        undo.remove_tree(folder)
        os.rename(staged, folder)


def _put(path: str, content: str, mode: int, person: pwd.struct_passwd) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(base64.b64decode(content))
    os.chmod(path, mode)
    os.chown(path, person.pw_uid, person.pw_gid)
