"""The source's MariaDB is sound, can be copied or followed, and be made read-only for services."""

import re
from collections.abc import Callable, Iterable, Iterator

from migrate.checks.sql import ADMINISTRATORS, Database, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database.fingerprint import listed
from migrate.database.holders import each_server
from migrate.database.replication import cost, domains, facts, replica, room, server_copy
from migrate.database.replication.facts import series_of, shown
from migrate.database.service_databases import ServiceDatabase, service_databases
from migrate.engine.finding import Finding, error, filled, info, warning
from migrate.errors import MigrateError
from migrate.onhost import call

IDENTIFIER = re.compile(r"^[0-9A-Za-z$_]+$")
# Source and target of which the checksums agree over every type that OpenStack uses, and so do the
# definitions of tables, fresh or from a dump: `tests/integration/test_older_source.py`. What does
# not agree between them is asked for by `stored`.
ALIKE = (((10, 11), (11, 8)),)


def run(context: Context) -> list[Finding]:
    """All that stands in the way of copying, comparing and fencing the source's databases."""
    found = service_databases(context.source, context.recipes)
    there = _target(context)
    told: list[Finding] = []
    read: dict[str, facts.Facts] = {}
    whole = 0
    for host, own in each_server(context.source, found):
        wrong, read[host.name], data = _on(host, own, there)
        told += filled(wrong, where=host.name)
        whole += data
    told += filled(_seed(context), where=context.target.database.name) if there else []
    return [*told, *not_followed(domains.apart(read), whole)]


def _on(
    host: Host, found: list[ServiceDatabase], there: facts.Facts | None
) -> tuple[list[Finding], facts.Facts, int]:
    """What stands in the way at one server, what it says, and the bytes of *found* there."""
    schemata, accounts = sorted({p.name for p in found}), {p.user for p in found}
    with session(host) as database:
        wrong = [
            *_settings(database),
            *_missing(database, schemata),
            *_tables(database, schemata),
            *_definers(database, schemata),
            *_privileges(database, accounts),
        ]
        here = facts.read(database.link)
        data = sum(size for _, _, size in listed(database.link, schemata))
        kept = [*stored(database, schemata)]
    wrong += not_followed(
        facts.obstacles(here, there), data, lambda: call(host, "serve.short", room.folders(host))
    )
    if there:
        wrong += series(here.series, there.series)
        wrong += kept if here.series != there.series else []
    return wrong, here, data


def _seed(context: Context) -> Iterator[Finding]:
    """By which way the target's databases come first, where they are followed."""
    if replica.obstacles(context):
        return
    if why := server_copy.why_not(context):
        yield info(
            server_copy.DUMPED.format(why),
            "Nothing need be done: it takes longer, while the source serves",
        )
    else:
        yield info(
            server_copy.COPIED,
            "Its own accounts stay there; of the source's only those of services come",
        )


def _target(context: Context) -> facts.Facts | None:
    """What the target's server says; None where it cannot be asked: its own check says why."""
    try:
        with session(context.target.database) as database:
            return facts.read(database.link)
    except MigrateError:
        return None


def not_followed(
    obstacles: Iterable[facts.Obstacle], data: int, short: Callable[[], str] = str
) -> Iterator[Finding]:
    """What each of *obstacles* means for a cloud with *data* bytes in its databases.

    The way stays open without following: the databases are then copied inside the window. *short*
    says whether the source's disk is nearly full.
    """
    for one in obstacles:
        if one.forbids:
            yield warning(
                f"{one.message}, so the target cannot follow by replication",
                f"{one.remedy}. As it is, {cost.told(data)}",
            )
        elif one.waits and not short():
            yield info(one.message, one.remedy)
        else:
            yield warning(one.message, one.remedy)


def series(here: tuple[int, ...], there: tuple[int, ...]) -> list[Finding]:
    """What it means that the source's server is of series *here*, the target's of *there*.

    Equality is judged by the servers' own checksums, which may differ from series to series.
    """
    if there == here or (here, there) in ALIKE:
        return []
    remedy = (
        f"Upgrade the source's MariaDB to {shown(there)} in place first: a restart for its services"
    )
    if there < here:
        remedy = f"Install MariaDB {shown(here)} on the target"
    return [
        error(
            f"MariaDB is of series {shown(here)} on the source and {shown(there)} on the target: "
            "the copy could not be proven equal",
            remedy,
        )
    ]


def stored(database: Database, schemata: list[str]) -> Iterator[Finding]:
    """Tables with stored generated columns, whose checksums differ between any two series."""
    for row in database.of(
        "SELECT DISTINCT table_schema, table_name FROM information_schema.columns "
        "WHERE extra LIKE 'STORED GENERATED%%' AND table_schema IN ({})",
        schemata,
    ):
        yield error(
            f"table {row['table_schema']}.{row['table_name']} has a stored generated column, of "
            "which servers of two series give two checksums: the copy could not be proven equal",
            "Make the column a virtual one, or upgrade the source's MariaDB in place first",
        )


def _missing(database: Database, schemata: list[str]) -> Iterator[Finding]:
    rows = database.rows("SELECT schema_name FROM information_schema.schemata")
    for name in sorted(set(schemata) - {row["schema_name"] for row in rows}):
        yield error(
            f"database {name}, which a service's configuration names, is not there",
            "Where the databases are on a host of their own, name it in sidestep:source.databases",
        )


def _settings(database: Database) -> Iterator[Finding]:
    if database.value("SELECT @@global.read_only"):
        yield error(
            "the server is read only, as a fence of an earlier cutover leaves it",
            "See `migrate status`; `migrate rollback` lifts the fence",
        )


def _tables(database: Database, schemata: list[str]) -> Iterator[Finding]:
    """Engines that no consistent copy covers, and what CHECK TABLE … QUICK complains of."""
    tables = database.of(
        "SELECT table_schema, table_name, engine, table_comment FROM information_schema.tables "
        "WHERE table_type = 'BASE TABLE' AND table_schema IN ({})",
        schemata,
    )
    for row in tables:
        named = f"{row['table_schema']}.{row['table_name']}"
        if row["engine"] is None:
            yield _broken(named, str(row["table_comment"]))
        elif row["engine"] != "InnoDB":
            yield error(
                f"table {named} is of engine {row['engine']}, which no snapshot covers",
                f"ALTER TABLE {named} ENGINE=InnoDB",
            )
    sound = [
        f"`{row['table_schema']}`.`{row['table_name']}`"
        for row in tables
        if row["engine"] and IDENTIFIER.match(row["table_schema"] + row["table_name"])
    ]
    for some in (sound[at : at + 100] for at in range(0, len(sound), 100)):
        for row in database.rows(f"CHECK TABLE {', '.join(some)} QUICK"):
            if row["msg_type"] in ("error", "warning") or (
                row["msg_type"] == "status" and row["msg_text"] != "OK"
            ):
                yield _broken(row["table"], row["msg_text"])


def _definers(database: Database, schemata: list[str]) -> Iterator[Finding]:
    """Views, triggers, routines and events that an account owns which is not there any more."""
    accounts = {
        f"{row['user']}@{row['host']}" for row in database.rows("SELECT user, host FROM mysql.user")
    }
    for kind, row in database.objects(schemata):
        if row["definer"] not in accounts:
            yield error(
                f"{kind} {row['s']}.{row['n']} belongs to {row['definer']}, "
                "an account that is not there",
                "Create that account, or drop the object or make it again as another",
            )


def _privileges(database: Database, services: set[str]) -> Iterator[Finding]:
    """Accounts that may write to a read-only server: the fence would not hold them."""
    leaking = {"READ_ONLY ADMIN", "READ ONLY ADMIN"}
    if _version(database) < (10, 11):
        leaking.add("SUPER")
    services = services | {r["user"] for r in database.rows("SELECT DISTINCT user FROM mysql.db")}
    privileges: dict[str, set[str]] = {}
    for row in database.rows(
        "SELECT grantee, privilege_type FROM information_schema.user_privileges"
    ):
        privileges.setdefault(row["grantee"], set()).add(row["privilege_type"])
    for grantee, held in sorted(privileges.items()):
        user = grantee.split("'")[1]
        leaks = sorted(held & (leaking | {"SUPER"}))
        if not leaks or user in ADMINISTRATORS:
            continue
        message = f"account {grantee} holds {', '.join(leaks)} on *.*"
        remedy = f"REVOKE {', '.join(leaks)} ON *.* FROM {grantee}"
        if user in services:
            if leaking.intersection(leaks):
                message += " and may write although the server is read only"
            yield error(message, remedy + "; grant what it needs on its own schema")
        else:
            yield warning(message, remedy + ", unless no service uses it")


def _version(database: Database) -> tuple[int, ...]:
    return series_of(str(database.value("SELECT @@version")))


def _broken(table: str, message: str) -> Finding:
    return error(
        f"CHECK TABLE {table}: {message}",
        "Repair it (`mariadb-check --repair`, or restore it) before anything is copied",
    )
