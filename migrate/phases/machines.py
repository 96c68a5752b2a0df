"""What the hosts that take part say themselves about a move; who is silent is told as such."""

from typing import Any

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine import cloud_lock
from migrate.engine.markers import SCHEMA, STAGES
from migrate.errors import MigrateError
from migrate.onhost import call

PATIENCE_SECONDS = 4.0
LOOK_SECONDS = 30.0  # one that lets us in and is busy is not silent


def look(context: Context) -> dict[str, dict[str, Any]]:
    """By host name {"side": "source", **`onhost.look.seen`}, or {"side", "silent": why}.

    Of a database on a host of its own, which has no API, {"alone": True} is added.
    """
    addresses = [str(one.address) for one in context.source.virtual_ips]
    alone = {host.name for host in context.source.databases}
    sides = {h.name: one for one in (context.source, context.target) for h in one.core}

    def ask(host: Host) -> tuple[str, dict[str, Any]]:
        try:
            seen = call(host, "look.seen", addresses, SCHEMA, timeout=LOOK_SECONDS)
        except MigrateError as error:
            seen = {"silent": str(error)}
        kind = {"alone": True} if host.name in alone else {}
        return host.name, {"side": sides[host.name].name, **kind, **seen}

    return dict(hosts.gather((*context.source.core, *context.target.core), ask))


def lines(found: dict[str, dict[str, Any]]) -> list[str]:
    """*found* of `look`, a line a host."""
    return [f"{one['side']} {name}: {', '.join(_describe(one))}" for name, one in found.items()]


def _describe(one: dict[str, Any]) -> list[str]:
    if "silent" in one:
        return [f"cannot be asked: {one['silent']}"]
    timer = one["watch"]
    parts = [f"holds {address}" for address in one["addresses"]]
    if one["side"] == "source" and "alone" not in one:
        parts.append(f"closed to {one['closed']}" if one["closed"] else "open")
    parts += ["fenced"] if one["side"] == "source" and one["fenced"] else []
    parts += [f"marked {stage!r}" for stage in STAGES if stage in one["stages"]][-1:]
    parts += [f"its marks cannot be read ({one['unread']})"] if one["unread"] else []
    parts += {
        "armed": [f"the watch reopens it in {max(timer['left'], 0):.0f} s"],
        "reopening": ["the watch reopens it just now"],
        "reopened": ["the watch has reopened it"],
    }.get(timer["state"], [])
    if timer["state"] == "armed" and not timer["alive"]:
        parts.append("but the watch does not run")
    if one["lock"]:
        parts.append(f"held by {cloud_lock.describe(one['lock'])}")
    return parts or ["nothing of ours"]
