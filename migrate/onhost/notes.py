"""What we keep about this host, when nothing of it will be undone any more."""

import os

from migrate.onhost import record


def left(kept: list[str]) -> list[str]:
    """Files in our folder, but those named *kept*."""
    try:
        names = sorted(os.listdir(record.FOLDER))
    except FileNotFoundError:
        return []
    return [
        one for one in names if one not in kept and os.path.isfile(os.path.join(record.FOLDER, one))
    ]


def remove(kept: list[str]) -> None:
    """Remove them, and the folder when it was the last."""
    for one in left(kept):
        os.unlink(os.path.join(record.FOLDER, one))
    record.tidy()
