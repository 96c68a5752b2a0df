"""What names the fenced data of this host."""

from __future__ import annotations

import os

from migrate.onhost import fence, files


def name(path: str) -> str:
    """The digest that *path* keeps, if it was taken under this very fence, else "".

    A source that reopened itself has been written since: its old fingerprint names nothing.
    """
    digest, _, under = (files.text(path) if os.path.exists(path) else "").strip().partition(" ")
    return digest if under == fence.token() else ""
