"""What we added to a machine, written on the machine itself: it outlives Pulumi's state."""

from __future__ import annotations

import json
from typing import Any

from migrate.cloud.host import Host

FOLDER = "/var/lib/sidestep/controller"


def recall(host: Host, part: str) -> dict[str, Any]:
    """What was recorded for *part*, or an empty mapping."""
    text = host.shell('cat -- "$1" 2>/dev/null || true', f"{FOLDER}/{part}.json")
    recorded: dict[str, Any] = json.loads(text) if text.strip() else {}
    return recorded


def remember(host: Host, part: str, added: dict[str, Any]) -> None:
    """Record *added* for *part*; call it before the effect that it describes."""
    host.run("install", "-d", "-m", "0755", FOLDER)
    host.write(f"{FOLDER}/{part}.json", json.dumps(added, indent=1, sort_keys=True), mode=0o644)


def forget(host: Host, part: str) -> None:
    """Drop the record of *part*, and the folders when nothing else is in them."""
    host.shell(
        'rm -f -- "$1/$2.json"\nrmdir -p --ignore-fail-on-non-empty -- "$1" 2>/dev/null || true',
        FOLDER,
        part,
    )
