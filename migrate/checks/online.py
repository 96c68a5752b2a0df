"""Online data migrations of the source are at zero: the next release needs them finished.

Counted by queries of the recipes, because the tools themselves write.
"""

from collections.abc import Iterator

import pymysql

from migrate.checks.sql import Database, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database.connection import quoted
from migrate.database.holders import each_server
from migrate.database.service_databases import ServiceDatabase, service_databases
from migrate.engine.finding import Finding, error

ABSENT = (1054, 1146)  # unknown column, unknown table: another release's


def run(context: Context) -> Iterator[Finding]:
    """One finding for each migration with rows left in a schema."""
    found = service_databases(context.source, context.recipes)
    for host, own in each_server(context.source, found):
        yield from _on(context, host, own)


def _on(context: Context, host: Host, found: list[ServiceDatabase]) -> Iterator[Finding]:
    with session(host) as link:
        for recipe, one in [(r, one) for r in context.recipes for one in r.online_left]:
            mine = [database for database in found if database.project == recipe.project]
            # every cell has nova's main schema
            for schema in sorted(
                {database.name for database in mine if database.usual == one.database}
            ):
                if left := _left(link, schema, one.query):
                    tool = " ".join(recipe.online[0].argv)
                    yield error(
                        f"{one.name} has {left} row(s) left in {schema}",
                        f"Run `{tool}` on the source until it exits 0",
                        host.name,
                    )


def _left(database: Database, schema: str, query: str) -> int:
    try:
        database.rows(f"USE {quoted(schema)}")
        return int(database.value(query) or 0)
    except pymysql.err.MySQLError as failure:
        if failure.args and failure.args[0] in ABSENT:
            return 0
        raise
