"""Papers of a migration on the operator's machine: whole or not there, read by nobody else."""

from __future__ import annotations

import os
from pathlib import Path


def keep(path: Path, text: str) -> Path:
    """Write *text* to *path* (0600) in one step: a crash leaves what stood there before."""
    staged = path.with_name(f"{path.name}.part")
    staged.unlink(missing_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return staged.replace(path)
