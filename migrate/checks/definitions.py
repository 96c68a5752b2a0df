"""Tables and objects that the copy cannot carry as they are, or the target cannot take."""

import re
from collections.abc import Iterable, Iterator

from migrate.checks.sql import Database, Row, of_services, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database.connection import IDENTIFIER
from migrate.engine.finding import Finding, error, filled, warning

NARROW = ("Compact", "Redundant")  # formats whose keys end at 767 bytes
ELSEWHERE = re.compile(r"`?encrypted`?='?yes|encryption_key_id|(data|index) directory", re.I)

NO_WORD = re.compile(r"[^0-9A-Za-z_]")


def run(context: Context) -> list[Finding]:
    """Each with the statement that mends it."""
    return [one for of in of_services(context) for one in _on(*of)]


def _on(host: Host, names: list[str]) -> list[Finding]:
    with session(host) as database:
        keys = {f"{row['s']}.{row['t']}" for row in database.of(KEYS, names)}
        objects = [(kind, row["s"], row["n"], row["x"]) for kind, row in database.objects(names)]
        found = [
            *tables(database.of(TABLES, names), keys),
            *(
                error(message.format(**row), remedy.format(**row))
                for query, message, remedy in PLAIN
                for row in database.of(query, names)
            ),
            *floats(database, database.of(FLOATS, names)),
            *reaching(objects, _every(database)),
            *collations(database.of(COLLATIONS, names)),
        ]
    return list(filled(found, where=host.name))


TABLES = """
SELECT table_schema AS s, table_name AS t, table_type AS type, row_format AS format,
  create_options AS options
FROM information_schema.tables WHERE table_schema IN ({})
"""
# 191 characters of four bytes each fit into a narrow key
KEYS = """
SELECT DISTINCT k.table_schema AS s, k.table_name AS t
FROM information_schema.statistics k JOIN information_schema.columns c
  USING (table_schema, table_name, column_name)
WHERE c.character_maximum_length > 191 AND k.sub_part IS NULL AND k.table_schema IN ({})
"""
TEMPORALS = """
SELECT table_schema AS s, table_name AS t, group_concat(column_name) AS c
FROM information_schema.columns
WHERE column_type LIKE '%%mariadb-5.3%%' AND table_schema IN ({}) GROUP BY table_schema, table_name
"""
FLOATS = """
SELECT table_schema AS s, table_name AS t, column_name AS c FROM information_schema.columns
WHERE data_type = 'float' AND table_schema IN ({})
"""
REFERENCES = """
SELECT constraint_schema AS s, table_name AS t, constraint_name AS c,
  unique_constraint_schema AS other
FROM information_schema.referential_constraints
WHERE unique_constraint_schema <> constraint_schema AND constraint_schema IN ({})
"""
# each row is one
PLAIN = (
    (  # a format that no server of today makes: a copy has another one
        TEMPORALS,
        "table {s}.{t} has columns of the old temporal format: {c}",
        "ALTER TABLE `{s}`.`{t}` FORCE",
    ),
    (
        REFERENCES,
        "foreign key {c} of {s}.{t} reaches database {other}",
        "ALTER TABLE `{s}`.`{t}` DROP FOREIGN KEY `{c}`",
    ),
)
COLLATIONS = """
SELECT t.table_schema AS s, s.default_collation_name AS base, t.table_collation AS own,
  count(*) AS tables
FROM information_schema.tables t JOIN information_schema.schemata s
  ON s.schema_name = t.table_schema
WHERE t.table_collation IS NOT NULL AND t.table_schema IN ({})
GROUP BY t.table_schema, s.default_collation_name, t.table_collation
ORDER BY t.table_schema, count(*) DESC
"""


def tables(rows: Iterable[Row], long_keys: set[str]) -> Iterator[Finding]:
    """Kinds, names and formats of tables; *long_keys* have one that a narrow format cannot hold."""
    for row in rows:
        name, quoted = f"{row['s']}.{row['t']}", f"`{row['s']}`.`{row['t']}`"
        if not IDENTIFIER.fullmatch(row["t"]):
            yield error(
                f"table {name} has a name that no service gives and the copy does not carry",
                f"RENAME TABLE {quoted} TO `{row['s']}`.`{NO_WORD.sub('_', row['t'])}`, or drop it",
            )
        if row["type"] == "SYSTEM VERSIONED":
            yield error(
                f"table {name} is system-versioned: its history is not carried",
                f"ALTER TABLE {quoted} DROP SYSTEM VERSIONING",
            )
        elif row["type"] not in ("BASE TABLE", "VIEW"):
            yield error(
                f"{name} is a {str(row['type']).lower()}, which is not carried",
                f"Drop it, or move it out of {row['s']}",
            )
        if row["format"] in NARROW and name in long_keys:
            yield error(
                f"table {name} is of ROW_FORMAT={str(row['format']).upper()} and has a key that "
                "the next release's migrations make too long for it",
                f"ALTER TABLE {quoted} ROW_FORMAT=DYNAMIC",
            )
        if found := ELSEWHERE.search(str(row["options"] or "")):
            yield error(
                f"table {name} has the option {found[0]}, which the target's server does not know",
                f"Make it again without (ALTER TABLE {quoted} ENCRYPTED=NO, or a copy of it)",
            )


def floats(database: Database, rows: Iterable[Row]) -> Iterator[Finding]:
    """A dump writes six digits of a FLOAT."""
    for row in rows:
        if not all(IDENTIFIER.fullmatch(row[key]) for key in "stc"):
            continue  # told by its name
        table, column = f"`{row['s']}`.`{row['t']}`", f"`{row['c']}`"
        lost = f"CAST(CAST({column} AS CHAR) AS FLOAT) <> {column}"
        if count := int(database.value(f"SELECT count(*) FROM {table} WHERE {lost}")):  # noqa: S608
            yield error(
                f"{count} value(s) of {row['s']}.{row['t']}.{row['c']} have more digits than the "
                "copy carries of a FLOAT",
                f"UPDATE {table} SET {column} = CAST({column} AS CHAR) WHERE {lost}",  # noqa: S608
            )


def reaching(objects: Iterable[tuple[str, str, str, str]], every: list[str]) -> Iterator[Finding]:
    """Views, triggers, routines and events that name another database, as (kind, s, name, text)."""
    for kind, schema, name, text in objects:
        others = [
            other
            for other in every
            if other != schema
            and re.search(rf"(?<![\w.`])(`{re.escape(other)}`|{re.escape(other)})\s*\.", text or "")
        ]
        if others:
            yield error(
                f"{kind} {schema}.{name} reaches database {', '.join(others)}",
                f"DROP {'PROCEDURE or FUNCTION' if kind == 'routine' else kind.upper()} "
                f"`{schema}`.`{name}`; make it again after the move",
            )


def collations(rows: Iterable[Row]) -> Iterator[Finding]:
    """A database whose default is not what most of its tables have: new ones could not refer."""
    seen = set()
    for row in rows:
        if row["s"] not in seen and row["own"] != row["base"]:
            yield warning(
                f"database {row['s']} makes tables of {row['base']}, most of its own are of "
                f"{row['own']}: a migration's new table may not be able to refer to them",
                f"ALTER DATABASE `{row['s']}` COLLATE {row['own']}",
            )
        seen.add(row["s"])


def _every(database: Database) -> list[str]:
    rows = database.rows("SELECT schema_name AS s FROM information_schema.schemata")
    return [
        row["s"] for row in rows if row["s"] not in ("information_schema", "performance_schema")
    ]
