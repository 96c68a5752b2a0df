"""Which tables an upgrade has written anew, row by row: what that costs grows with the data.

A table that is written anew is another one to InnoDB, by the number that it has there; a column
added at once, or an index, leaves the number as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from migrate.database import connection

ENCODED = re.compile(r"@([0-9a-f]{4})")  # how a name is written as that of a file


@dataclass(frozen=True, slots=True)
class Table:
    """`number` is InnoDB's own; rows are as the server estimates them."""

    number: int
    rows: int
    bytes: int


def tables(link: connection.Session, databases: list[str]) -> dict[str, Table]:
    """The tables of *databases* by their names, `nova.instances`."""
    numbers = {
        decoded(name): int(number)
        for name, number in connection.rows(
            link, "SELECT name, table_id FROM information_schema.innodb_sys_tables"
        )
    }
    found = connection.rows(
        link,
        "SELECT table_schema, table_name, COALESCE(table_rows, 0),"  # noqa: S608
        " COALESCE(data_length + index_length, 0) FROM information_schema.tables"
        " WHERE table_type = 'BASE TABLE' AND table_schema IN"
        f" ({connection.marks(databases)})",
        *databases,
    )
    named = ((f"{schema}.{name}", int(rows), int(size)) for schema, name, rows, size in found)
    return {name: Table(numbers.get(name, 0), rows, size) for name, rows, size in named}


def decoded(name: str) -> str:
    """`beta-1.words` of InnoDB's `beta@002d1/words`."""
    return ENCODED.sub(lambda found: chr(int(found[1], 16)), name.replace("/", ".", 1))


def rebuilt(before: Mapping[str, Table], after: Mapping[str, Table]) -> dict[str, Table]:
    """Those of *before* that were written anew, the largest first, as they were."""
    found = [n for n in before if n in after and after[n].number != before[n].number]
    return {name: before[name] for name in sorted(found, key=lambda n: (-before[n].bytes, n))}
