"""The record of a load: a JSON line for each call, written as soon as its end is known."""

from __future__ import annotations

import json
import time
from pathlib import Path


class Record:
    """Appends to *path*; lines of one kind stand in the order in which the calls ended."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def add(self, kind: str, at: float, *, ok: bool, note: str = "") -> None:
        """A call of *kind* began *at* and ended now."""
        line = {"at": round(at, 4), "took": round(time.time() - at, 4), "kind": kind, "ok": ok}
        self._file.write(json.dumps(line | ({"note": note} if note else {})) + "\n")
