"""Files of this host as they are."""

from __future__ import annotations

import glob
import os


def read(patterns: list[str]) -> dict[str, str]:
    """Texts of the files that *patterns* match, by path."""
    found = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            if os.path.isfile(path):
                found[path] = text(path)
    return found


def text(path: str) -> str:
    """What is in the file *path*; bytes that are no UTF-8 are escaped, see `record.write`."""
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def existing(paths: list[str]) -> list[str]:
    """Those of *paths* that are here, of any kind."""
    return [path for path in paths if os.path.exists(path)]
