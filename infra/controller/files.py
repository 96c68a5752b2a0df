"""Files that a part owns on a machine: read by digest, written, removed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from migrate.cloud.host import Host
from migrate.onhost import call


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
    found: dict[str, str] = call(host, "files.digests", paths)
    return found


def write(host: Host, files: list[File]) -> None:
    """Write every file atomically, in one go."""
    call(host, "files.put", [[one.path, one.text, one.mode, one.owner] for one in files])


def remove(host: Host, paths: list[str]) -> None:
    """Remove *paths*, and folders of ours that this leaves empty."""
    call(host, "files.remove", paths)
