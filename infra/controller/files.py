"""Files that a part owns on a machine: read by digest, written, removed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from migrate.cloud.host import Host

READ = """
import hashlib, os
result = {}
for path in payload:
    try:
        with open(path, "rb") as stream:
            result[path] = hashlib.sha256(stream.read()).hexdigest()[:12]
    except FileNotFoundError:
        pass
"""

WRITE = """
import grp, os, pwd, tempfile
for path, text, mode, owner in payload:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o755)
    user, group = owner.split(":")
    handle, staged = tempfile.mkstemp(dir=folder, prefix=".sidestep-")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        os.chown(staged, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)
        os.chmod(staged, mode)
        os.rename(staged, path)
    except BaseException:
        os.unlink(staged)
        raise
"""

REMOVE = """
import os
for path in payload:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    folder = os.path.dirname(path)
    while "sidestep" in folder and os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
        folder = os.path.dirname(folder)
"""


@dataclass(frozen=True, slots=True)
class File:
    """One file: its whole text, and who may read it."""

    path: str
    text: str
    mode: int = 0o644
    owner: str = "root:root"

    @property
    def digest(self) -> str:
        """The first 12 hex digits of its SHA-256: enough to see a change, short in a preview."""
        return sha256(self.text.encode()).hexdigest()[:12]


def digests(files: list[File]) -> dict[str, str]:
    """What `read` answers when every file is as it should be."""
    return {file.path: file.digest for file in files}


def read(host: Host, paths: list[str]) -> dict[str, str]:
    """Digests of those of *paths* that are there."""
    found: dict[str, str] = host.python(READ, paths)
    return found


def write(host: Host, files: list[File]) -> None:
    """Write every file atomically, in one go."""
    host.python(WRITE, [[file.path, file.text, file.mode, file.owner] for file in files])


def remove(host: Host, paths: list[str]) -> None:
    """Remove *paths*, and folders of ours that this leaves empty."""
    host.python(REMOVE, paths)
