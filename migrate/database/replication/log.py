"""Where a source's binary log is, and what it names between two places."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from migrate.cloud.host import Host
from migrate.database import connection, definition
from migrate.database.fingerprint import Since
from migrate.errors import CommandError
from migrate.onhost import call

MOST = 5000  # rows of a table that are compared one by one; above it the whole table is read
LONGEST = 600.0  # seconds to read what was written


@dataclass(frozen=True, slots=True)
class Place:
    """`gtid` is the position that a replica has when it has all before the place."""

    file: str  # "binlog.000007"
    offset: int
    gtid: str  # "0-1-55"


def kept(places: Mapping[str, Place]) -> dict[str, Any]:
    """*places*, by the hosts' names, as JSON; `read` reads it."""
    return {name: asdict(one) for name, one in places.items()}


def read(found: Mapping[str, Any]) -> dict[str, Place]:
    """What `kept` gave."""
    return {name: Place(**one) for name, one in found.items()}


def now(link: connection.Session) -> Place:
    """The end of the log, or in a snapshot's session the place of its instant."""
    asked = "SHOW STATUS LIKE 'binlog_snapshot_%'"
    told = {str(name): str(value) for name, value in connection.rows(link, asked)}
    file, offset = told["Binlog_snapshot_file"], int(told["Binlog_snapshot_position"])
    gtid = connection.value(link, "SELECT BINLOG_GTID_POS(%s, %s)", file, offset)
    return Place(file, offset, str(gtid))


def since(
    source: Host, tables: Mapping[str, Mapping[str, Any]], one: Place, other: Place
) -> Since | None:
    """What of *tables*, as they were at the place *one*, is known of them at *other*.

    None where the log does not tell: it was purged, or holds statements, not rows alone.
    """
    written = named(source, tables, one, other)
    if written is None or not _readable(tables):
        return None
    keys, below = {}, set[tuple[str, str]]()
    for name, wrote in written.items():
        if wrote["keys"] is not None:
            keys[name] = wrote["keys"]
        below |= {(did, name) for did in wrote["did"]}
    unknown = {name for name in written if name not in keys} | _cascaded(tables, below)
    return Since(
        {name: table for name, table in tables.items() if name not in unknown},
        {name: of for name, of in keys.items() if name not in unknown},
    )


def named(
    source: Host,
    tables: Mapping[str, Mapping[str, Any]],
    one: Place,
    other: Place,
    *,
    sure: bool = True,
) -> dict[str, Any] | None:
    """All tables that were written to, as `onhost.binlog.named` tells; None where it cannot.

    Who must be *sure* that there are no others is told nothing after a statement, nor where the
    server died between: it may have lost the end of a log that a replica has.
    """
    if one == other:
        return {}
    with connection.session(source) as link:
        logs = [str(row[0]) for row in connection.rows(link, "SHOW BINARY LOGS")]
        if one.file not in logs or other.file not in logs:
            return None
        gtid = connection.value(link, "SELECT BINLOG_GTID_POS(%s, %s)", one.file, one.offset)
    if {*str(gtid).split(",")} != {*one.gtid.split(",")}:  # another log of that name
        return None
    logs = logs[logs.index(one.file) : logs.index(other.file) + 1]
    keys = {
        name: found
        for name, table in tables.items()
        if (found := definition.logged_key(table["definition"]))
    }
    span = [one.offset, other.offset]
    asked = connection.SOCKET, logs, span, keys, MOST
    try:
        told = call(source, "binlog.named", *asked, timeout=LONGEST)
    except CommandError:
        return None
    if sure and (told["statements"] or told["torn"]):
        return None
    return dict(told["tables"])


def _readable(tables: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether it can be seen what cascades: not where a server quotes names otherwise."""
    return all(table["definition"].startswith("CREATE TABLE `") for table in tables.values())


def _cascaded(tables: Mapping[str, Mapping[str, Any]], changed: set[tuple[str, str]]) -> set[str]:
    """Tables whose rows may have gone or changed with those that they belong to."""
    found: set[str] = set()
    edges = [
        (edge, name)
        for name, table in tables.items()
        for edge in definition.cascades(table["definition"], name.partition(".")[0])
    ]
    while new := {name for edge, name in edges if edge in changed} - found:
        found |= new
        changed = changed | {(did, name) for name in new for did in ("DELETE", "UPDATE")}
    return found
