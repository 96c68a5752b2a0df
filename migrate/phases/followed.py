"""How the target's databases stand to the source's, in one line of `migrate status`."""

import re
from collections.abc import Mapping
from typing import Any

from migrate.cloud import Context
from migrate.database import connection, copy, progress
from migrate.database.replication import replica
from migrate.engine import markers

GTID = re.compile(r"(\d+)-\d+-(\d+)")


def look(context: Context) -> dict[str, Any]:
    """What `line` tells, by name; {} where there is nothing to follow for, yet or any more."""
    found = replica.standing(context)
    if found.ours:
        behind = {name: f"{found.has} of {one}" for name, one in found.servers.items()}
        return {
            "follows": True,
            "error": found.error,
            "behind": f"{found.has} of {found.source}",
            "servers": behind if len(behind) > 1 else {},
            "seed": _seed(context),
        }
    if markers.reached(context, markers.COPIED):
        return {}
    if not copy.passed(context):
        return {
            "follows": False,
            "error": "",
            "behind": "",
            "servers": {},
            "seed": replica.way(context),
        }
    why = "; ".join(one.message for one in replica.obstacles(context))
    return {"follows": False, "error": why, "behind": "", "servers": {}, "seed": ""}


def _seed(context: Context) -> str:
    with connection.session(context.target.database) as link:
        return "mariadb-backup" if progress.ever(link, progress.WHOLE) else "dumps"


def line(
    stack: str,
    *,
    follows: bool,
    error: str,
    behind: str,
    servers: Mapping[str, str] | None = None,
    seed: str = "",
) -> str:
    """For people.

    `follows` is whether replication was set up, `behind` "0-1-55 of 0-1-60". Where it was, `error`
    is why it stands still; where it was not, why not. `servers` are several, each with the same.
    `seed` is by what the databases came, or, by itself, will come.
    """
    if not follows and seed:
        return f"databases: nothing has come yet; {seed}"
    if not follows:
        return f"databases: copied once, not followed: {error or 'nothing was set up to follow'}"
    if error:
        again = f"`migrate follow --stack {stack} --execute`"
        return f"databases: broken: {error.rstrip('.')}, rebuilt by {again}"
    came = f", begun by {seed}" if seed else ""
    each = "; ".join(f"{name}: {distance(one)}" for name, one in (servers or {}).items())
    return f"databases: followed{came}, {each or distance(behind)}"


def distance(behind: str) -> str:
    """How far "0-1-55 of 0-1-60" is: "5 transactions behind"; what is no such pair, as it is.

    Each domain counts by itself, and one that the target lacks from its beginning. Where the target
    shows more than it was asked for, it has come further since.
    """
    if not behind:
        return "how far is not known"
    here, of, there = behind.partition(" of ")
    pairs = [_sequences(here), _sequences(there)]
    if not of or None in pairs:
        return f"{behind} behind"
    has, wanted = (pair or {} for pair in pairs)
    missing = sum(max(0, last - has.get(domain, 0)) for domain, last in wanted.items())
    if not missing:
        return "nothing behind"
    return f"{missing} transaction{'s' if missing > 1 else ''} behind ({behind})"


def _sequences(position: str) -> dict[str, int] | None:
    """The last sequence number by domain; None for what is no position."""
    parts = [one.strip() for one in position.split(",") if one.strip()]
    found = [GTID.fullmatch(one) for one in parts]
    if not all(found):
        return None
    return {one[1]: int(one[2]) for one in found if one}
