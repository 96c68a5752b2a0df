"""Records of services that are of an older release: with them the target's would not start.

Nova and cinder read from the database how old their oldest service is, also when it died years ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrate.checks.check import Check
from migrate.checks.sql import Row, session
from migrate.cloud import Context, releases
from migrate.database.connection import quoted
from migrate.database.service_databases import service_databases
from migrate.engine.finding import Finding, Severity
from migrate.errors import PreconditionError

NAME = "leftovers"
NOVA = "SELECT host, version FROM {} WHERE deleted = 0 AND `binary` = 'nova-compute'"
CINDER = (
    "SELECT host, `binary`, object_current_version AS objects, rpc_current_version AS rpc "
    "FROM {} WHERE deleted = 0"
)

Problem = tuple[str, str]


def run(context: Context) -> list[Finding]:
    """Records that are too old, of nova in every cell."""
    host = context.source.database
    found: list[Problem] = []
    with session(host) as link:
        for database in service_databases(context.source.tools, context.recipes):
            table = quoted(database.name, "services")
            if database.usual == "nova":
                found += computes(link.rows(NOVA.format(table)), context.target.release)
            elif database.usual == "cinder":
                found += volumes(link.rows(CINDER.format(table)))
    return [Finding(NAME, Severity.ERROR, *one, host.name) for one in dict.fromkeys(found)]


def computes(rows: Iterable[Row], release: str) -> Iterator[Problem]:
    """Records of nova-compute below what nova of *release* starts with."""
    try:
        oldest = releases.release(release).oldest_compute
    except PreconditionError:
        return  # an unknown target is told by the check of the path
    levels = {one.name: one.compute_level for one in releases.known()}
    least = levels.get(oldest or "") or 0
    for row in rows:
        if int(row["version"] or 0) < least:
            yield (
                f"nova keeps a nova-compute at {row['host']} of level {row['version']}; nova of "
                f"{release} does not start with one below {least}",
                "Upgrade it, or, when that host is gone: openstack compute service delete",
            )


def volumes(rows: Iterable[Row]) -> Iterator[Problem]:
    """Records of cinder that are older than its newest: it speaks as its oldest record does."""
    rows = list(rows)
    for kind in ("objects", "rpc"):
        newest: dict[str, tuple[int, ...]] = {}
        for row in rows:
            newest[row["binary"]] = max(newest.get(row["binary"], ()), _version(row[kind]))
        for row in rows:
            if not row[kind] or _version(row[kind]) < newest[row["binary"]]:
                who = f"{row['binary']} {row['host']}"
                yield (
                    f"cinder keeps a record of {who} of an older release, with which the next one "
                    "would have to speak",
                    f"Upgrade it, or, when it is gone: cinder-manage service remove {who}",
                )


def _version(text: str | None) -> tuple[int, ...]:
    """`1.38`, to be compared."""
    return tuple(int(part) for part in (text or "0").split(".") if part.isdigit())


CHECK = Check(NAME, "records of services of an older release", run)
