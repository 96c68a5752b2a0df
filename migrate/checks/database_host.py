"""A source database on a host of its own: MariaDB, and nothing else that would be lost or write."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from migrate.checks import shape, traces
from migrate.checks.sql import schemata, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import merged, servers
from migrate.database.holders import each_server
from migrate.database.service_databases import logins
from migrate.engine.finding import Finding, error, on_each, warning
from migrate.onhost import call
from migrate.onhost.mariadb import UNITS
from migrate.takeover.gate import reopen_timer

ADDRESSES = (*shape.MANAGERS, "keepalived")  # who would move an address away from there
SERVERS = ("mariadbd", "mysqld")


def run(context: Context) -> list[Finding]:
    """What of it no code here fences or moves; nothing where there is no such host."""
    there = context.source.databases
    if not there:
        return []
    reopen_timer.watched(context)  # it raises what it misses
    own = frozenset(host.address for host in context.source.core)
    found = [*several(_parts(context)), *on_each(there, partial(_host, own=own))]
    return [*found, *on_each(context.source.controllers, _client)]


def _parts(context: Context) -> list[merged.Part]:
    """What each server has."""
    found = logins(context.source, context.recipes)
    parts = []
    for host, own in each_server(context.source, found):
        with session(host) as database:
            users = (one.user for one in own)
            parts.append(servers.part(database.link, host.name, schemata(own), users))
    return parts


def several(parts: list[merged.Part]) -> Iterator[Finding]:
    """What of several servers no one can have, and one that has nothing."""
    for part in parts:
        if not part.names:
            yield error(
                "no database of the services is there",
                "Take it out of sidestep:source.databases",
                part.server,
            )
    for text, remedy in merged.clashes([part for part in parts if part.names]):
        yield error(text, remedy)


def _host(host: Host, own: frozenset[str]) -> Iterator[Finding]:
    if not call(host, "mariadb.present"):
        yield error(
            "no MariaDB of systemd runs there",
            "Start it, or correct sidestep:source.databases",
        )
    own |= set(call(host, "addresses.own"))
    yield from shape.members(call(host, "sockets.connected", [*shape.CLUSTERS]), own)
    yield from running(call(host, "sockets.running"))
    yield from listening(call(host, "sockets.listening"))


def running(units: Iterable[str]) -> Iterator[Finding]:
    """Units there that are another part of the cloud."""
    names = sorted({traces.base(unit) for unit in units})
    if managers := [name for name in names if name in ADDRESSES]:
        yield error(
            f"{', '.join(managers)} runs on the database's host: an address that it moves would "
            "not be followed",
            "Have the services use the host's own address or the virtual IP, and stop it",
        )
    if services := [name for name in names if traces.is_openstack(name)]:
        yield error(
            f"{', '.join(services)} runs on the database's host: services are fenced on "
            "controllers alone",
            "Run it on the controller",
        )


def listening(rows: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    """Daemons there that others can reach, beside the database and the machine's own."""
    found: dict[tuple[str, bool], set[int]] = {}
    for row in rows:
        unit, program = row["unit"], row["program"]
        if program in SERVERS or traces.base(unit) in UNITS or traces.is_tool(program, unit):
            continue
        if not (unit or program) or row["address"].startswith("127.") or row["address"] == "::1":
            continue  # the kernel's, or nobody else's
        name = traces.base(unit) or program
        found.setdefault((name, traces.is_known(unit)), set()).add(row["port"])
    for (name, ours), ports in sorted(found.items()):
        told = f"{name} listens on the database's host at {', '.join(map(str, sorted(ports)))}"
        if ours:
            remedy = "Bring it to the controller, or stop it there"
            yield error(f"{told}: on controllers alone it is fenced and moved", remedy)
        else:
            remedy = "Nothing, where no service of the cloud uses it"
            yield warning(f"{told}, and is not moved", remedy)


def _client(host: Host) -> Iterator[Finding]:
    """Without a client nobody there sees what the fence is worth, nor that it was lifted."""
    if not host.succeeds("sh", "-c", "command -v mariadb"):
        yield error(
            "MariaDB's client is not there, by which the fence is proven as the services see it",
            "Install mariadb-client on that host",
        )
