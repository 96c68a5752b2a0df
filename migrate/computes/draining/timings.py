"""What was on each host before its turn, and how long each of its servers moved, for the report.

A file a host: as many servers as one host has are written at once, whatever the cloud has.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from migrate.cloud import Context
from migrate.cloud.api import VERSION, Api, ApiError
from migrate.computes import reading
from migrate.computes.facts import Server
from migrate.engine import state_directory
from migrate.errors import JournalError

KINDS = {"live": "live-migration", "cold": "migration"}  # as nova's records call them
TOLD = ("status", "created_at", "updated_at")  # of a record
_lock = threading.Lock()

Record = dict[str, Any]


def keep_servers(context: Context, host: str, found: Mapping[str, Any]) -> None:
    """*found* are the servers on *host* before it has its turn, counted."""
    with _lock, suppress(JournalError):
        state_directory.record(_path(context, host), {**kept(context, host), "servers": found})


def asked(context: Context, host: str, server: Server, how: str) -> None:
    """Nova is about to be asked for *server*: *how* is live, cold, stop or start."""
    one = {"server": server.id, "name": server.name, "how": how, "from": server.host}
    with _lock, suppress(JournalError):  # no record is no reason to leave a server where it is
        _keep(context, host, [*_moves(context, host), {**one, "asked": time.time()}])


def ended(context: Context, api: Api, host: str, id_: str, server: Server | None, why: str) -> None:
    """What was asked for the server *id_*, by whichever run, is over: *server* is how it is now.

    *why* says why it is not where it was wanted. Nothing where nobody has asked for it.
    """
    now = time.time()
    with suppress(JournalError):
        mine = next((o for o in reversed(_moves(context, host)) if o["server"] == id_), None)
        if not mine or "ended" in mine:
            return
        told = {"ended": now, "to": server.host if server else "", "wrong": why}
        if kind := KINDS.get(mine["how"]):
            told["migration"] = _nova(api, host, id_, kind)
        with _lock:
            moves = _moves(context, host)
            _keep(context, host, [{**one, **told} if one == mine else one for one in moves])


def kept(context: Context, host: str) -> Record:
    """`{"servers": {"kinds": {"running": 3}, "disks": {"local": 2, "volume": 1}}, "moves": [...]}`

    A move that was asked for and that nobody has seen end has no `ended`; `migration` is nova's
    record of it, `{"status": "completed", "created_at": "2026-...", "updated_at": "2026-..."}`.
    """
    return state_directory.recorded(_path(context, host))


def _nova(api: Api, host: str, id_: str, kind: str) -> Record:
    """Nova's newest migration of that *kind* of a server off *host* or onto it; {} for none."""
    asked_ = {"instance_uuid": id_, "host": host, "migration_type": kind}
    try:
        rows = api.pages(
            "compute", "/os-migrations", "migrations", **asked_, **{VERSION: reading.COMPUTE}
        )
    except ApiError:
        return {}
    newest = max(rows, key=lambda row: int(row["id"]), default={})
    return {key: newest[key] for key in TOLD if key in newest}


def _moves(context: Context, host: str) -> list[Record]:
    found: list[Record] = kept(context, host).get("moves", [])
    return found


def _keep(context: Context, host: str, moves: list[Record]) -> None:
    document = {**kept(context, host), "moves": moves}
    state_directory.record(_path(context, host), document)


def _path(context: Context, host: str) -> Path:
    return context.home / f"moves-{host}.json"
