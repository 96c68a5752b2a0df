"""Nothing is lost unnamed: who uses the source's daemons, address or catalogue without a recipe.

In scope is who holds a connection to the database, broker or cache, owns a database or consumes a
queue there, is heard by a service's API, or is reached by the virtual IP or by a URL of the
catalogue. Users lose it when the address moves; the operator says of each thing that it may be
lost (`sidestep:leave`).
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from migrate.checks import scope_facts, traces
from migrate.checks.scope_facts import Endpoint, Facts
from migrate.checks.traces import Trace
from migrate.cloud import Context
from migrate.engine.finding import Finding, error, warning
from migrate.onhost import front
from migrate.services import RECIPES

SERVED = frozenset(port for r in RECIPES for a in r.apis for port in (a.port, a.own))
TYPES = frozenset(one for recipe in RECIPES for api in recipe.apis for one in api.types)


def run(context: Context) -> Iterator[Finding]:
    """One finding for each thing that no recipe moves, and for each word of `leave` without one.

    A word that is an address and a port is told by the check of the listeners.
    """
    leave = tuple(word for word in context.settings.leave if not traces.is_socket(word))
    return judge(scope_facts.gather(context), leave)


def judge(facts: Facts, leave: tuple[str, ...]) -> Iterator[Finding]:
    """What *facts* show that neither a recipe nor *leave* covers is an error."""
    signs = (_units, _heard, _connections, _listeners, _databases, _queues, _catalogue)
    found = traces.grouped(trace for sign in signs for trace in sign(facts))
    for thing, seen in found.items():
        yield _finding(thing, seen, thing in leave)
    for host in facts.controllers:
        for job in host.scheduled:
            yield warning(
                f"{job} of a service that is moved is not carried to the target",
                "Set it up there after the move, where it is still wanted",
                host.name,
            )
    for word in leave:
        if word not in found:
            yield warning(
                f"sidestep:leave names {word}, and nothing of that name was found on the source",
                "Take it out, or correct it to the name that this check gives",
            )


def _finding(thing: str, seen: list[Trace], left: bool) -> Finding:
    told = "; ".join(dict.fromkeys(one.seen for one in seen))
    where = ", ".join(dict.fromkeys(one.where for one in seen if one.where))
    if left:
        message = f"{thing} stays behind and is lost to users when the virtual IP moves: {told}"
        remedy = "Nothing: sidestep:leave says so"
        return warning(message, remedy, where)
    return error(
        f"{thing} is moved by no recipe, users would lose it when the virtual IP moves: {told}",
        f"Move it elsewhere or stop it for good; if it may be lost, sidestep:leave: ['{thing}']",
        where,
    )


def _units(facts: Facts) -> Iterator[Trace]:
    """Running units that are named as an OpenStack service's."""
    for host in facts.controllers:
        for unit in host.running:
            if traces.is_openstack(unit) and not traces.is_known(unit):
                yield Trace(traces.of_unit(unit), f"{unit} runs", host.name)


def _heard(facts: Facts) -> Iterator[Trace]:
    """Units of a recipe that the target does not run, wherever they are and however started."""
    for binary, host in facts.heard:
        if binary in traces.UNMOVED:
            yield Trace(binary, f"{traces.UNMOVED[binary]} hears {binary} of {host}")


def _connections(facts: Facts) -> Iterator[Trace]:
    """Who holds a connection to the database, broker or cache, from wherever."""
    for host in facts.hosts:
        for row in host.connected:
            (address, port), end = row["remote"], row["local"][1]
            if facts.daemons.get(port) and facts.is_own(address):
                if not traces.is_known(row["unit"]):
                    thing = traces.of_unit(row["unit"], row["program"])
                    seen = f"{_who(row)} is connected to the {facts.daemons[port]}"
                    yield Trace(thing, seen, host.name)
            elif facts.daemons.get(end) and not facts.is_own(address):
                seen = f"{address}, no host of the stack file, is connected to the"
                yield Trace(address, f"{seen} {facts.daemons[end]}", host.name)


def _who(row: dict[str, str]) -> str:
    return row["unit"] or row["program"] or "a process of no unit"


def _listeners(facts: Facts) -> Iterator[Trace]:
    """What is reached at the virtual IP: listeners on it, and on every address of a controller."""
    named = ports(facts.endpoints)
    for host in facts.controllers:
        for row in host.listening:
            address, port, unit, program = (row[k] for k in ("address", "port", "unit", "program"))
            if address not in ("", *facts.virtual_ips) or not (unit or program):
                continue  # on an address of its own, or the kernel's (NFS)
            if traces.is_known(unit) and (port in SERVED or traces.base(unit) in facts.servers):
                continue
            if unit == front.UNIT or (not address and traces.is_tool(program, unit)):
                continue
            if traces.is_known(unit) and port in facts.daemons:
                continue  # HAProxy before the daemons
            thing = called(unit, program, port, named)
            seen = f"{_who(row)} listens on {address or '*'}:{port}"
            yield Trace(thing, seen, host.name)


def ports(endpoints: list[Endpoint]) -> dict[int | None, str]:
    """What the services of the catalogue that no recipe moves are called, by their ports."""
    return {
        urlsplit(one.url).port: traces.of_type(one.kind, one.name)
        for one in endpoints
        if one.kind not in TYPES
    }


def called(unit: str, program: str, port: int, named: dict[int | None, str]) -> str:
    """What to call who listens on *port*; *named* are the catalogue's `ports`."""
    thing = traces.of_port(unit, program, port)
    return named.get(port, thing) if traces.base(unit) in traces.SHARED else thing


def _databases(facts: Facts) -> Iterator[Trace]:
    """Databases that no recipe's configuration names; one without tables loses nothing."""
    for name, tables in facts.databases.items():
        if tables:
            holder = facts.user_of_database(name)
            thing = traces.service(name) or holder or name
            yield Trace(thing, f"database {name} holds {tables} table(s)")


def _queues(facts: Facts) -> Iterator[Trace]:
    """Queues whose consumers are no unit of a recipe."""
    for one in facts.consumers:
        if holder := facts.holder(one.address, one.port):
            yield Trace(holder, f"consumes from queue {one.queue} of vhost {one.vhost}")
        elif thing := traces.service(one.queue):
            yield Trace(thing, f"queue {one.queue} of vhost {one.vhost} has consumers")


def _catalogue(facts: Facts) -> Iterator[Trace]:
    for one in facts.endpoints:
        if one.kind not in TYPES and not _serves(facts, one.url):
            thing = traces.of_type(one.kind, one.name)
            yield Trace(thing, f"the catalogue has {one.kind} at {one.url}")


def _serves(facts: Facts, url: str) -> bool:
    """Whether *url* is another name for what a recipe serves: `volumev2` at cinder's port."""
    parts = urlsplit(url)
    return parts.hostname in facts.virtual_ips and parts.port in SERVED - {80}
