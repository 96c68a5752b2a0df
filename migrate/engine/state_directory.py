"""Files of a migration on the operator's machine: whole or not there, read by nobody else.

What this program reads again carries a format: that of another program is refused, never half read.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrate.errors import JournalError

FORMAT = 3  # raised when what an older program wrote would be misread, as by the ids of steps


def keep(path: Path, text: str) -> Path:
    """Write *text* to *path* (0600) in one step: a crash leaves what stood there before."""
    staged = path.with_name(f"{path.name}.part")
    with _writable(path):
        staged.unlink(missing_ok=True)
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        return staged.replace(path)


def forget(path: Path) -> bool:
    """Remove *path*; whether it was there."""
    with _writable(path):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
    return True


def record(path: Path, document: Mapping[str, Any]) -> Path:
    """Keep *document* for `recorded`."""
    told = {"format": FORMAT, **document}
    return keep(path, json.dumps(told, indent=1, ensure_ascii=False, default=str))


def recorded(path: Path) -> dict[str, Any]:
    """What `record` kept, {} where there is nothing; JournalError where it is another program's."""
    try:
        found = json.loads(path.read_text())
        told = found.pop("format", 0)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise JournalError(f"{path} cannot be read ({error}); move it away") from error
    refuse_other(path, told)
    return dict(found)


def unwritten(path: Path, why: str) -> JournalError:
    """What to say where *path* cannot be written or removed, and *why*."""
    return JournalError(
        f"{path} cannot be written: {why}; see that {path.parent} has room and that we may write "
        "there, then the same again"
    )


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritten(path, error.strerror or str(error)) from error


def refuse_other(path: Path, found: object) -> None:
    """JournalError where *found*, the format of *path*, is not this program's."""
    if found != FORMAT:
        age = "a newer" if isinstance(found, int) and found > FORMAT else "an older"
        raise JournalError(
            f"{path} was written by {age} migrate (format {found}, this one knows {FORMAT}); use "
            "that one, or move the file away where nothing of its migration stands any more"
        )
