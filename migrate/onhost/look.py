"""How this host stands in a move, by what was recorded on it; quick, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

from migrate.onhost import disk, mariadb, record, reopen_timer, virtual_ip


def seen(virtual_ips: list[str], schema: str) -> dict[str, Any]:
    """Lock, reopen timer, HAProxy, fence, marks and addresses of this host.

    {"lock": {...} or None, "watch": {"state": "armed", "left": 594.2, "alive": True},
    "closed": "users", "fenced": ["fence", "database"], "stages": ["copied"], "addresses": [...]}
    """
    return {
        "lock": record.load("lock"),
        "watch": reopen_timer.state(),
        "closed": (record.load("haproxy") or {}).get("depth", ""),
        "fenced": [name for name in ("fence", "database", "manager") if record.load(name)],
        "stages": sorted({*_file(), *_table(schema)}),
        "addresses": [one["address"] for one in virtual_ip.addresses(virtual_ips)],
    }


def _file() -> list[str]:
    try:
        return [one["stage"] for one in json.loads(disk.text(f"{record.FOLDER}/marker.json"))]
    except (OSError, ValueError):
        return []


def _table(schema: str) -> list[str]:
    try:
        return [row[0] for row in mariadb.sql(f"SELECT stage FROM {schema}.stage")]  # noqa: S608
    except (OSError, RuntimeError):
        return []  # no such schema, or no server
