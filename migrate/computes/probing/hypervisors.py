"""Facts of hosts that servers are live-migrated between: each is asked once a run, and once more
after it was renewed or took servers.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from migrate.cloud import Context, hosts
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.cloud.values import Values
from migrate.computes import service
from migrate.computes.probing.facts import Platform, Seen, Shape
from migrate.computes.probing.readiness import cpu, permits, unready
from migrate.errors import MigrateError, UnreachableError, one_line
from migrate.onhost import call

KEY = "settle-hypervisors"
SECONDS = 300.0  # one with hundreds of servers
FILES = ["/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"]  # where it is told of none
ALIKE = lru_cache(1024)(Shape)  # one is kept of many that are equal
UNKNOWN = Platform("", "", "", "")

Row = dict[str, Any]


def read(context: Context, api: Api) -> list[Seen]:
    """Every compute host that can be asked; whether it is open, is what nova says now."""
    known = _known(context)
    todo = [one for one in context.source.computes if one.name not in known]
    told = hosts.gather(todo, _ask)
    known.update({host.name: one for host, one in zip(todo, told, strict=True) if one})
    rows = api.pages("compute", "/os-services", "services", binary=service.BINARY)
    return [
        _seen(context, row["host"], known[row["host"]], row)
        for row in sorted(rows, key=lambda row: str(row["host"]))
        if row["host"] in known
    ]


def again(context: Context, names: Collection[str]) -> None:
    """What hosts of *names* are is asked anew when it is wanted next."""
    for name in names:
        _known(context).pop(name, None)


def one(context: Context, api: Api, host: Host) -> Seen | None:
    """What *host* is at this moment; None where it does not answer."""
    told = _ask(host)
    return _seen(context, host.name, told, service.of(api, host.name)) if told else None


def _known(context: Context) -> dict[str, Row]:
    found: dict[str, Row] = context.extras.setdefault(KEY, {})
    return found


def _ask(host: Host) -> Row | None:
    """None of one that is dead; what else is wrong stands in its place."""
    try:
        return _reduced(call(host, "hypervisor.seen", service.BINARY, FILES, timeout=SECONDS))
    except UnreachableError:
        return None
    except MigrateError as error:
        return {"unready": f"what it runs servers with cannot be told: {one_line(error)}"}


def _reduced(told: Row) -> Row:
    """What is kept of it: no text of a file, which has passwords in it."""
    values = Values(told["texts"], told["given"])
    return {
        "qemu": told["qemu"],
        "libvirt": told["libvirt"],
        "cpu": cpu(values, told["cpu"]),
        "program": told["program"],
        "shapes": {server: _shape(one) for server, one in told["servers"].items()},
        "unready": unready(values, told["ports"], told["keys"]),
        "permits": permits(values),
    }


def _shape(told: Row) -> Shape:
    return ALIKE(told["machine"], told["firmware"], ", ".join(told["disks"]))


def _seen(context: Context, name: str, told: Row, row: Row) -> Seen:
    platform = UNKNOWN
    if "qemu" in told:
        new = told["program"].startswith(f"{context.installation.folder}/")
        release = context.target.release if new else context.source.release
        platform = Platform(release, told["qemu"], told["libvirt"], told["cpu"])
    return Seen(
        host=name,
        zone=row["zone"],
        open=row["status"] == "enabled" and row["state"] == "up",
        platform=platform,
        shapes=told.get("shapes", {}),
        unready=told["unready"],
        permits=told.get("permits", ()),
    )
