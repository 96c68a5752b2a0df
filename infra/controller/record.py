"""What we added to a machine, written on the machine itself: it outlives Pulumi's state."""

from __future__ import annotations

import json
from typing import Any

from migrate.cloud.host import Host
from migrate.errors import PreconditionError

# a record that names none is of the first: whoever raises it goes on reading what there was before,
# or a stack that an older program made could not be destroyed
VERSION = 1
FOLDER = "/var/lib/sidestep/controller"


def recall(host: Host, part: str) -> dict[str, Any]:
    """What was recorded for *part*, {} without; PreconditionError for another program's."""
    text = host.shell('cat -- "$1" 2>/dev/null || true', f"{FOLDER}/{part}.json")
    recorded: dict[str, Any] = json.loads(text) if text.strip() else {}
    if (version := recorded.pop("version", 1)) != VERSION:
        raise PreconditionError(
            f"{host.name}: {FOLDER}/{part}.json is of version {version}, this program's are "
            f"{VERSION}; use the program that wrote it, to destroy too"
        )
    return recorded


def remember(host: Host, part: str, added: dict[str, Any]) -> None:
    """Record *added* for *part*; call it before the effect that it describes."""
    host.run("install", "-d", "-m", "0755", FOLDER)
    host.write(
        f"{FOLDER}/{part}.json",
        json.dumps({"version": VERSION, **added}, indent=1, sort_keys=True),
        mode=0o644,
    )


def forget(host: Host, part: str) -> None:
    """Drop the record of *part*, and the folders when nothing else is in them."""
    host.shell(
        'rm -f -- "$1/$2.json"\nrmdir -p --ignore-fail-on-non-empty -- "$1" 2>/dev/null || true',
        FOLDER,
        part,
    )
