"""Online data migrations of the source are at zero: the next release needs them finished.

Counted by queries (online.yaml), because the tools themselves write.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import pymysql
import yaml

from migrate.checks.check import Check
from migrate.checks.sql import Database, session
from migrate.cloud import Context
from migrate.database.connection import quoted
from migrate.database.places import Place, places
from migrate.engine.finding import Finding, Severity

NAME = "online-migrations"
ABSENT = (1054, 1146)  # unknown column, unknown table: another release's


@cache
def migrations() -> tuple[dict[str, Any], ...]:
    """The rows of online.yaml."""
    text = files("migrate.checks").joinpath("online.yaml").read_text()
    return tuple(yaml.safe_load(text)["online"])


def run(context: Context) -> list[Finding]:
    """One finding for each migration with rows left in a schema."""
    findings = []
    found = places(context.source.first, context.recipes)
    with session(context.source.first) as database:
        for one in migrations():
            for schema in sorted({place.name for place in found if _concerns(one, place)}):
                left = _left(database, schema, one["query"])
                if left:
                    tool = f"{one['project']}-manage db online_data_migrations"
                    findings.append(
                        Finding(
                            NAME,
                            Severity.ERROR,
                            f"{one['name']} has {left} row(s) left in {schema}",
                            f"Run `{tool}` on the source until it exits 0",
                            context.source.first.name,
                        )
                    )
    return findings


def _concerns(migration: dict[str, Any], place: Place) -> bool:
    """Whether *migration* is one of the schema at *place*; every cell has nova's main schema."""
    return bool(place.project == migration["project"] and place.usual == migration["usual"])


def _left(database: Database, schema: str, query: str) -> int:
    try:
        database.rows(f"USE {quoted(schema)}")
        return int(database.value(query) or 0)
    except pymysql.err.MySQLError as error:
        if error.args and error.args[0] in ABSENT:
            return 0
        raise


CHECK = Check(NAME, "online data migrations of the source at zero", run)
