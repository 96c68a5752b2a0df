"""The seed of a replica as the source's server itself, taken by mariadb-backup, where that may be.

It replaces the target's whole server, but for its accounts: those stay as they are there. So it is
done only where neither server holds anything but the services' databases, and never over a mark.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.database import connection, ownership, progress, servers
from migrate.database.replication import facts, streams
from migrate.database.service_databases import known
from migrate.engine import markers
from migrate.errors import StepError
from migrate.onhost import call
from migrate.onhost.server_swap import INSIDE

DUMPED = "the databases come by dumps in several streams, not by mariadb-backup, since {}"
COPIED = "the databases come by mariadb-backup: the target's server becomes the source's"
# what decides how a server reads its files
FILES = ("innodb_page_size", "lower_case_table_names", "innodb_data_file_path")
# where it has files that belong to those in its data folder; and what must be there as it starts
FOLDERS = (
    *("innodb_data_home_dir", "innodb_log_group_home_dir", "innodb_undo_directory"),
    "aria_log_dir_path",
)
WITHIN = ("tmpdir", "log_bin_basename", "relay_log_basename")
HOLDS = {  # of a server's own: what its files hold beside tables
    "plugins": "SELECT COUNT(*) FROM mysql.plugin",
    "functions of its own": "SELECT COUNT(*) FROM mysql.func",
    "encrypted tables": "SELECT COUNT(*) FROM information_schema.innodb_tablespaces_encryption"
    " WHERE encryption_scheme <> 0",
    "files outside of its data folder": "SELECT COUNT(*) FROM"
    " information_schema.innodb_sys_tablespaces WHERE filename LIKE '/%'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What decides whether one server may become the other."""

    version: str  # "11.8.6-MariaDB-0+deb13u1-log"
    machine: str  # "x86_64"
    tool: str  # the version of mariadb-backup there, "11.8.6"; "" where there is none
    unpacks: bool
    cluster: bool
    databases: frozenset[str]  # that are not the server's own
    files: tuple[str, ...]  # the values of FILES
    holds: tuple[str, ...] = ()  # keys of HOLDS, and what `_apart` tells


def why_not(context: Context) -> str:
    """Why the seed is dumped instead; "" where the server is copied. Both are only asked."""
    if context.settings.seed == "dumps":
        return "the stack's file says so (sidestep:seed)"
    if len(servers.of(context)) > 1:
        return "the source's databases are on several servers"
    names = {one.name for one in known(context)}
    ours = {progress.SCHEMA, *ownership.recorded(context.target.database)["databases"]}
    source, target = (_read(one) for one in (context.source.database, context.target.database))
    return next(_against(source, target, names, ours), "")


def _against(source: Server, target: Server, names: set[str], ours: set[str]) -> Iterator[str]:
    """What forbids that *target* becomes a copy of *source*, of which the databases *names* move.

    Those of *ours* on the target are of an earlier seed.
    """
    here, there = (facts.series_of(one.version) for one in (source, target))
    if not source.tool:
        yield "the source's database host has no mariadb-backup"
    elif not source.version.startswith(f"{source.tool}-"):
        yield f"the source's mariadb-backup is of {source.tool}, its server is not"
    if not target.unpacks:
        yield "the target has no mbstream, which comes with mariadb-backup"
    if here > there:
        yield "the source's MariaDB is newer than the target's"
    if source.machine != target.machine:
        yield f"the source is {source.machine}, the target {target.machine}"
    if source.cluster or target.cluster:
        yield "a server is a node of a Galera cluster"
    for name, one, other in zip(FILES, source.files, target.files, strict=True):
        if one != other:
            yield f"{name} is {one!r} on the source and {other!r} on the target"
    for side, server in (("source", source), ("target", target)):
        if server.holds:
            yield f"the {side}'s server has {', '.join(server.holds)}"
    if foreign := source.databases - names:
        yield f"the source's server holds more than moves: {', '.join(sorted(foreign))}"
    if foreign := target.databases - ours:
        yield f"the target's server holds {', '.join(sorted(foreign))}"


def _read(host: Host) -> Server:
    found = call(host, "server_copy.look")
    with connection.session(host) as link:
        told = {str(n): str(value) for n, value in connection.rows(link, "SHOW GLOBAL VARIABLES")}
        holds = [what for what, asked in HOLDS.items() if connection.value(link, asked)]
        holds += _apart(told)
        return Server(
            version=told["version"],
            machine=found["machine"],
            tool=found["tool"],
            unpacks=bool(found["unpacks"]),
            cluster=told.get("wsrep_on") == "ON",
            databases=_databases(link),
            files=tuple(told[name] for name in FILES),
            holds=tuple(holds),
        )


def _apart(told: Mapping[str, str]) -> list[str]:
    """Folders that would not go with the data folder, or with it where they must stay."""
    data = Path(told["datadir"])
    apart = [name for name in FOLDERS if data / told.get(name, "") != data]
    used = {name: data / told.get(name, "") for name in WITHIN}
    used = {n: one if n == "tmpdir" else one.parent for n, one in used.items() if one != data}
    within = [name for name, one in used.items() if data in one.parents]
    return [f"{name} in a folder of its own" for name in (*apart, *within)]


def _databases(link: connection.Session) -> frozenset[str]:
    found = {str(row[0]) for row in connection.rows(link, "SHOW DATABASES")}
    beside = f"#mysql50#{INSIDE}"  # a folder of ours, which a server takes for a database
    return frozenset(found - ownership.SYSTEM - {beside})


def bring(context: Context) -> None:
    """Have the target's server be the source's, with the services' databases and no others.

    Its own accounts stay. Until it was proven the server that was there is kept, and comes back
    where anything is wrong, or where a killed run is gone on with.
    """
    (server,) = servers.of(context)
    source, target, names = server.host, context.target.database, [*server.names]
    with connection.session(target) as link:
        _refuse_over(target, link, [])
        folder = str(connection.value(link, "SELECT @@datadir"))
        version = str(connection.value(link, "SELECT @@version"))
    with connection.session(source) as link:
        older = connection.value(link, "SELECT @@version")
    transfer.permit(source, backups=[connection.SOCKET])
    asked = {
        part: transfer.command(context, target, source, part, connection.SOCKET)
        for part in ("tool", "backup")
    }
    upgrade = facts.series_of(older) != facts.series_of(version)
    received = call(target, "server_copy.receive", asked, folder, upgrade, timeout=transfer.DAY)
    if received["wrong"]:
        raise StepError(
            f"the copy of {source.name}'s database server to {target.name} is not whole, nothing "
            f"of it counts: {received['wrong']}. Where that stays so, `sidestep:seed: dumps` in "
            "the stack's file has the databases come by dumps"
        )
    place = streams.gtid(source, received["place"])
    with connection.session(target) as link:
        _refuse_over(target, link, [])
    with markers.UNASKED:
        call(target, "server_swap.swap", timeout=transfer.DAY)
        try:
            _begin_at(target, place, names)
        except BaseException:
            put_back(target)
            raise
    call(target, "server_swap.keep", timeout=600)


def _begin_at(target: Host, place: str, names: list[str]) -> None:
    """Have it know where it is; StepError where it is not what was to come, or lets root not in."""
    with connection.session(target) as link:
        _refuse_over(target, link, names)
        # events have come as they are on the source: enabled
        if connection.value(link, "SELECT @@event_scheduler") == "ON":  # or DISABLED
            raise StepError(f"{target.name}: the event scheduler of its database is on")
        connection.rows(link, "SET GLOBAL gtid_slave_pos = %s", place)


def _refuse_over(target: Host, link: connection.Session, names: list[str]) -> None:
    if (held := _databases(link)) != set(names):
        raise StepError(
            f"{target.name}: its database holds {', '.join(sorted(held)) or 'nothing'} in place of "
            f"{', '.join(names) or 'nothing'}"
        )


def put_back(target: Host) -> None:
    """The target's own server again where a killed run left another half in place; repeatable."""
    call(target, "server_swap.put_back", timeout=1800)
