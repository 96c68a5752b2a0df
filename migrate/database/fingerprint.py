"""The logical fingerprint of a server's service databases: what "equal" means in this program.

Taken while nobody writes. Checksums are MariaDB's own CHECKSUM TABLE, whose value depends on the
rows and on how they are laid out: two servers agree only over the same row format and the same
on-disk types of temporal columns, and may differ between major versions of MariaDB although the
rows are the same. It is CRC32 over whole tables: a proof against accidents, not against forgers.
A false "different" stops the run, which is the safe side.

    {"server": "<uid>", "version": "11.8.6-MariaDB", "settings": {"collation_server": "..."},
     "databases": {"nova": "utf8mb3 utf8mb3_general_ci"},
     "tables": {"nova.instances": {"rows": 3, "checksum": 17, "next": 4, "definition": "CREATE.."}},
     "views": {"nova.v": "..."}, "triggers": {}, "routines": {}, "events": {},
     "accounts": {"'nova'@'%'": {"login": "<digest>", "grants": ["GRANT USAGE ON ..."]}}}
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from migrate.cloud import side_by_side
from migrate.cloud.host import Host
from migrate.database import accounts, connection, rows, settings
from migrate.errors import StepError

Fingerprint = dict[str, Any]

CONNECTIONS = 3
KNOWN = ("rows", "checksum", "named")  # of a table, what need not be read again
BATCH_TABLES = 40
BATCH_BYTES = 64 * 2**20  # tables above it are a batch of their own
NEXT = re.compile(r" AUTO_INCREMENT=(\d+)")

OBJECTS = {
    "views": (
        "SELECT table_schema, table_name, view_definition, check_option, definer, security_type,"
        " algorithm, character_set_client, collation_connection"
        " FROM information_schema.views WHERE table_schema IN ({})"
    ),
    "triggers": (
        "SELECT trigger_schema, trigger_name, event_object_table, action_timing,"
        " event_manipulation, action_order, action_statement, sql_mode, definer,"
        " character_set_client, collation_connection, database_collation"
        " FROM information_schema.triggers WHERE trigger_schema IN ({})"
    ),
    "routines": (
        "SELECT db, name, type, CAST(param_list AS CHAR), CAST(returns AS CHAR),"
        " CAST(body AS CHAR), is_deterministic, sql_data_access, security_type, definer, sql_mode,"
        " character_set_client, collation_connection, db_collation"
        " FROM mysql.proc WHERE db IN ({})"
    ),
    "events": (
        "SELECT event_schema, event_name, event_definition, event_type, execute_at,"
        " interval_value, interval_field, starts, ends, status, on_completion, sql_mode, definer,"
        " character_set_client, collation_connection, database_collation, time_zone"
        " FROM information_schema.events WHERE event_schema IN ({})"
    ),
}


Opener = Callable[[], AbstractContextManager[connection.Session]]


@dataclass(frozen=True, slots=True)
class Since:
    """What need not be read again: tables as they were, and the keys of rows written to since.

    `carried` has their entries of an earlier fingerprint; a table whose rows were written to has
    their `keys` too, and "named", the digest of these rows and those of earlier times, in its new
    entry.
    """

    carried: Mapping[str, Mapping[str, Any]]
    keys: Mapping[str, list[list[Any]]]


def fingerprint(
    host: Host,
    databases: Iterable[str],
    users: Iterable[str],
    socket: str = connection.SOCKET,
    since: Since | None = None,
) -> Fingerprint:
    """The fingerprint of *databases* and of the accounts of *users* on *host*'s MariaDB."""
    return taken_by(lambda: connection.session(host, socket), databases, users, since)


def taken_by(
    opened: Opener, databases: Iterable[str], users: Iterable[str], since: Since | None = None
) -> Fingerprint:
    """The same through sessions that *opened* gives, which may all stand in one snapshot.

    What is known of tables *since* an earlier one is not read again.
    """
    names = sorted(set(databases))
    with opened() as link:
        tables = listed(link, names)
        result: Fingerprint = {
            "server": connection.identity(link),
            "version": connection.value(link, "SELECT @@version"),
            "settings": settings.read(link),
            "databases": defaults(link, names),
            **{kind: objects(link, kind, names) for kind in OBJECTS},
            "accounts": {a.name: a.described() for a in accounts.accounts(link, users)},
        }
    result["tables"] = measured(opened, tables, since or Since({}, {}))
    return result


def digest(one: Fingerprint) -> str:
    """A short name for what a fingerprint says, whoever's server said it."""
    said = {key: value for key, value in one.items() if key not in {"server", "version"}}
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def summary(one: Fingerprint) -> dict[str, int]:
    """How much was looked at: `{"databases": 9, "tables": 519, "rows": 2106720, ...}`."""
    tables = one["tables"].values()
    counted = {kind: len(one[kind]) for kind in ("databases", "tables", *OBJECTS, "accounts")}
    return {**counted, "rows": sum(table["rows"] for table in tables)}


def listed(link: connection.Session, names: list[str]) -> list[tuple[str, str, int]]:
    """Base tables of *names* with their size in bytes, the largest first."""
    found = connection.rows(
        link,
        "SELECT table_schema, table_name, COALESCE(data_length, 0)"  # noqa: S608
        " FROM information_schema.tables WHERE table_type <> 'VIEW' AND table_schema IN"
        f" ({connection.marks(names)}) ORDER BY 3 DESC, 1, 2",
        *names,
    )
    return [(str(schema), str(table), int(size)) for schema, table, size in found]


def defaults(link: connection.Session, names: list[str]) -> dict[str, str]:
    """Character set and collation of each database; one that is missing is left out."""
    found = connection.rows(
        link,
        "SELECT schema_name, default_character_set_name, default_collation_name"  # noqa: S608
        f" FROM information_schema.schemata WHERE schema_name IN ({connection.marks(names)})",
        *names,
    )
    return {str(name): f"{charset} {collation}" for name, charset, collation in found}


def objects(link: connection.Session, kind: str, names: list[str]) -> dict[str, str]:
    """Definitions of one *kind* by `database.name`."""
    statement = OBJECTS[kind].format(connection.marks(names))
    return {
        f"{schema}.{name}": json.dumps([None if v is None else str(v) for v in facts])
        for schema, name, *facts in connection.rows(link, statement, *names)
    }


def measured(
    opened: Opener, tables: list[tuple[str, str, int]], since: Since
) -> dict[str, dict[str, Any]]:
    """Rows, checksum and definition of every table, by several connections side by side."""
    new = [one for one in tables if f"{one[0]}.{one[1]}" not in since.carried]
    known = [(*one[:2], 0) for one in tables if f"{one[0]}.{one[1]}" in since.carried]
    reads = [partial(measure, batch=batch) for batch in batches(new)]
    reads += [partial(remember, batch=batch, since=since) for batch in batches(known)]
    waiting = iter(reads)  # who is free takes the next: a list's may be shared

    def work(_: int) -> dict[str, dict[str, Any]]:
        done: dict[str, dict[str, Any]] = {}
        with opened() as link:
            for read in waiting:
                done |= read(link)
        return done

    parts = side_by_side.each(work, range(CONNECTIONS), CONNECTIONS)
    return dict(sorted(one for part in parts for one in part.items()))


def batches(tables: list[tuple[str, str, int]]) -> Iterator[list[tuple[str, str]]]:
    """Groups of tables that are worth one round trip."""
    group: list[tuple[str, str]] = []
    size = 0
    for schema, table, length in tables:
        if group and (len(group) == BATCH_TABLES or size + length > BATCH_BYTES):
            yield group
            group, size = [], 0
        group.append((schema, table))
        size += length
    if group:
        yield group


def measure(link: connection.Session, batch: list[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """One batch: three round trips, whatever its length."""
    names = [connection.quoted(*table) for table in batch]
    sums = connection.rows(link, f"CHECKSUM TABLE {', '.join(names)}")
    counts = connection.several(link, (f"SELECT COUNT(*) FROM {name}" for name in names))  # noqa: S608
    result = {}
    for (name, defined), (_, checksum), count in zip(
        described(link, batch).items(), sums, counts, strict=True
    ):
        if checksum is None:
            raise StepError(f"{name} cannot be checksummed; look at CHECK TABLE")
        result[name] = {"rows": int(count[0][0]), "checksum": int(checksum), **defined}
    return result


def remember(
    link: connection.Session, batch: list[tuple[str, str]], since: Since
) -> dict[str, dict[str, Any]]:
    """The same of tables that are known: only rows that were written to are read."""
    result = described(link, batch)
    for (schema, table), (name, defined) in zip(batch, result.items(), strict=True):
        known = since.carried[name]
        defined |= {what: known[what] for what in KNOWN if what in known}
        if keys := since.keys.get(name):
            quoted = connection.quoted(schema, table)
            named = rows.digest(link, quoted, defined["definition"], keys)
            defined["named"] = rows.together(str(known.get("named", "")), named)
    return result


def described(link: connection.Session, batch: list[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """Definition and next automatic number of each table, in one round trip."""
    names = (connection.quoted(*table) for table in batch)
    result = {}
    for (schema, table), shown in zip(
        batch,
        connection.several(link, (f"SHOW CREATE TABLE {name}" for name in names)),
        strict=True,
    ):
        text = str(shown[0][1])
        following = NEXT.search(text)
        result[f"{schema}.{table}"] = {
            "next": int(following[1]) if following else None,
            "definition": NEXT.sub("", text, count=1),
        }
    return result
