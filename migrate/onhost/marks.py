"""The marks of this host, which say how far the data on the target has come."""

import json
from typing import Any

from migrate.onhost import disk, record

FILE = "marker.json"


def keep(marks: list[dict[str, Any]]) -> None:
    """These and no others; they are on the disk when this returns."""
    disk.make_private(record.FOLDER)
    disk.write(f"{record.FOLDER}/{FILE}", json.dumps(marks), 0o600)
