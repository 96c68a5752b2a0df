"""The facts, from both sides' databases and from what runs on each compute host; only read."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.computes.homecoming.facts import Domain, Facts, Home, Row
from migrate.database import connection
from migrate.database.holders import holding
from migrate.database.service_databases import ServiceDatabase, known, service_databases
from migrate.errors import CommandError, MigrateError, PreconditionError
from migrate.onhost import call
from migrate.services.base import Recipe

INSTANCES = (
    "SELECT uuid, COALESCE(display_name, ''), COALESCE(host, ''), COALESCE(task_state, '') "
    "FROM {} WHERE deleted = 0 AND COALESCE(hidden, 0) = 0"  # of two cells' one while it moves
)
VOLUMES = "SELECT instance_uuid, volume_id FROM {} WHERE deleted = 0 AND volume_id IS NOT NULL"
COMPUTES = "SELECT host FROM {} WHERE deleted = 0 AND `binary` = 'nova-compute'"
NETWORK = "neutron"
PORTS = "SELECT device_id, id FROM {} WHERE device_id <> ''"
SECONDS = 120.0

Seen = dict[str, Any]
Ask = Callable[[str, str, str], list[tuple[str, ...]]]  # a statement, of a database, for a table


def read(context: Context) -> Facts:
    """All of it. A compute host that is dead is `silent`; one that lives must answer."""
    nova = [one for one in context.recipes if one.cells]
    if not nova or not context.source.computes:
        return Facts()
    seen = dict(hosts.living(context.source.computes, _running))

    def ask(statement: str, database: str, table: str) -> list[tuple[str, ...]]:
        with connection.session(holding(context.source, database)) as link:
            return _rows(link, statement, database, table)

    homes, computes = _homes(ask, _cells(known(context), nova), _network(context))
    names = [one.name for one in context.source.computes]
    ours = {_of_nova(name, seen.get(name), computes): name for name in names}
    now = _now(context, nova)
    return Facts(
        homes={k: replace(one, host=ours.get(one.host, one.host)) for k, one in homes.items()},
        domains=tuple(_domains(seen, ports=bool(_network(context)))),
        idle={name: {k: tuple(v) for k, v in one["idle"].items()} for name, one in seen.items()},
        now=now and {k: replace(one, host=ours.get(one.host, one.host)) for k, one in now.items()},
        silent=tuple(name for name in names if name not in seen),
        hosts=tuple(names),
        called={name: nova for nova, name in ours.items()},
    )


def _running(host: Host) -> tuple[str, Seen]:
    try:
        return host.name, call(host, "domains.running", timeout=SECONDS)
    except CommandError as error:
        raise PreconditionError(
            f"{host.name}: nobody can tell what runs there ({error}): mend that, or switch the "
            "host off, then the same again"
        ) from error


def _of_nova(name: str, told: Seen | None, computes: Collection[str]) -> str:
    """How nova names the host *name*: it may be with its domain, the stack file without."""
    names = {name, str(told["name"])} if told else {name}
    short = {one.partition(".")[0] for one in names}
    found = names & set(computes) or {one for one in computes if one.partition(".")[0] in short}
    if len(found) == 1:
        return found.pop()
    if told is None or not (told["domains"] or told["idle"]):
        return name  # whatever it is called, nothing is known to run there
    raise PreconditionError(
        f"{name}: servers run there, and the source has "
        f"{'more than one nova-compute' if found else 'no nova-compute'} of that name: "
        "name it in sidestep:source.computes as `openstack compute service list` does"
    )


def _domains(seen: dict[str, Seen], *, ports: bool) -> Iterable[Domain]:
    for host, told in seen.items():
        for server, one in told["domains"].items():
            volumes = None if one["volumes"] is None else frozenset(one["volumes"])
            plugged = frozenset(one["ports"] if ports else ())
            yield Domain(server, one["name"], host, volumes, plugged)


def _homes(
    ask: Ask, cells: Iterable[str], network: Iterable[str]
) -> tuple[dict[str, Home], set[str]]:
    """Servers by id, of every cell, and the hosts of nova-compute."""
    ports, homes, computes = _pairs(ask, PORTS, network, "ports"), {}, set()
    for cell in cells:
        volumes = _pairs(ask, VOLUMES, [cell], "block_device_mapping")
        for server, _, host, task in ask(INSTANCES, cell, "instances"):
            homes[server] = Home(host, frozenset(volumes[server]), frozenset(ports[server]), task)
        computes |= {row[0] for row in ask(COMPUTES, cell, "services")}
    return homes, computes


def _now(context: Context, nova: Collection[Recipe]) -> dict[str, Row] | None:
    """Servers as the target has them; None where it cannot be asked."""
    try:
        found = service_databases(context.target, nova, context.installation.tools)
        with connection.session(context.target.database) as link:
            return {
                server: Row(name, at, task)
                for cell in _cells(found, nova)
                for server, name, at, task in _rows(link, INSTANCES, cell, "instances")
            }
    except MigrateError:
        return None


def _cells(databases: Iterable[ServiceDatabase], nova: Iterable[Recipe]) -> list[str]:
    """Every database with servers in it, of a cell with a name or without; not the API's own."""
    projects = {one.project for one in nova}
    return sorted({one.name for one in databases if one.usual == one.project in projects})


def _network(context: Context) -> list[str]:
    """The database of ports, where the network is a service that is moved."""
    return [one.name for one in known(context) if one.project == NETWORK]


def _pairs(
    ask: Ask, statement: str, databases: Iterable[str], table: str
) -> defaultdict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for database in databases:
        for key, one in ask(statement, database, table):
            found[key].add(one)
    return found


def _rows(
    link: connection.Session, statement: str, database: str, table: str
) -> list[tuple[str, ...]]:
    found = connection.rows(link, statement.format(connection.quoted(database, table)))
    return [tuple(map(str, row)) for row in found]
