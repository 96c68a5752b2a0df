"""What names the fenced data of this host."""

from __future__ import annotations

from migrate.onhost import disk, fence


def name(path: str) -> str:
    """The digest that *path* keeps, if it was taken under this very fence, else "".

    A source that reopened itself has been written since: its old fingerprint names nothing.
    """
    digest, _, under = disk.text_if_there(path).strip().partition(" ")
    return digest if under == fence.token() else ""
