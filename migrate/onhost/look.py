"""How this host stands in a move, by what was recorded on it; quick, and changes nothing."""

import json
from typing import Any

from migrate.onhost import disk, mariadb, marks, record, reopen_timer, virtual_ip


def seen(virtual_ips: list[str], schema: str) -> dict[str, Any]:
    """Lock, reopen timer, HAProxy, fence, marks and addresses of this host.

    {"lock": {...} or None, "watch": {"state": "armed", "left": 594.2, "alive": True},
    "closed": "users", "fenced": ["fence", "database"], "stages": ["copied"], "addresses": [...],
    "unread": ""}

    "unread" says why the marks in the file are not known.
    """
    stages, unread = _file()
    return {
        "lock": record.load("lock"),
        "watch": reopen_timer.state(),
        "closed": (record.load("haproxy") or {}).get("depth", ""),
        "fenced": [name for name in ("fence", "database", "manager") if record.load(name)],
        "stages": sorted({*stages, *_table(schema)}),
        "unread": unread,
        "addresses": [one["address"] for one in virtual_ip.addresses(virtual_ips)],
    }


def _file() -> tuple[list[str], str]:
    """The stages that it has, and why they are not known."""
    path = f"{record.FOLDER}/{marks.FILE}"
    try:
        return [one["stage"] for one in json.loads(disk.text_if_there(path) or "[]")], ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [], f"{path}: {error}"


def _table(schema: str) -> list[str]:
    try:
        return [row[0] for row in mariadb.sql(f"SELECT stage FROM {schema}.stage")]  # noqa: S608
    except (OSError, RuntimeError):
        return []  # no such schema, or no server
