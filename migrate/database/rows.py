"""Single rows of a table: found by key, named by digest, told apart."""

import json
from hashlib import sha256
from typing import Any

from migrate.database import connection
from migrate.database.definition import columns, key

AT_ONCE = 500  # keys in one statement
MOST_TOLD = 2_000_000  # rows of a table whose differing ones are looked for


def digest(link: connection.Session, table: str, definition: str, keys: list[list[Any]]) -> str:
    """A name for *keys* and those rows of the *table* (quoted) that have one; none has a place."""
    names = [f"`{name}`" for name in key(definition)]
    # MariaDB reads the whole table for a list of pairs, and finds each by the index so
    one_key = " AND ".join(f"{name} = %s" for name in names)
    found: list[str] = []
    for some in (keys[at : at + AT_ONCE] for at in range(0, len(keys), AT_ONCE)):
        wanted = " OR ".join([f"({one_key})"] * len(some))
        if len(names) == 1:
            wanted = f"{names[0]} IN ({connection.marks(some)})"
        statement = f"SELECT {_content(definition)} FROM {table} WHERE {wanted}"  # noqa: S608
        values = [part for one in some for part in one]
        found += (str(row[0]) for row in connection.rows(link, statement, *values))
    return together(json.dumps(sorted(keys)), *sorted(found))


def together(*digests: str) -> str:
    """A name for several digests, in their order."""
    return sha256("\n".join(digests).encode()).hexdigest()[:32]


def apart(one: connection.Session, other: connection.Session, table: str, definition: str) -> str:
    """Which rows of *table* are not the same on both sides: "2 rows, id from 5 to 9"."""
    names = key(definition)
    listed = "".join(f", `{name}`" for name in names)
    asked = f"SELECT {_content(definition)}, COUNT(*){listed} FROM {table} GROUP BY 1{listed}"  # noqa: S608
    count = f"SELECT COUNT(*) FROM {table}"  # noqa: S608
    if max(int(connection.value(link, count)) for link in (one, other)) > MOST_TOLD:
        return f"which of more than {MOST_TOLD} rows is not looked for"
    here, there = (set(connection.rows(link, asked)) for link in (one, other))
    keys = sorted({row[2:] for row in here ^ there})
    if not names:
        return f"{len(here ^ there)} rows without a key"
    low, high = (", ".join(map(str, of)) for of in (keys[0], keys[-1])) if keys else ("", "")
    return f"{len(keys)} rows, {', '.join(names)} from {low} to {high}" if keys else "no row by key"


def _content(definition: str) -> str:
    """An expression for all that a row holds, in few bytes: a server gives NULL for too many.

    A FLOAT's text leaves out what it has of digits, and a TIMESTAMP's depends on the server's zone.
    """
    whole = []
    for name, what in columns(definition).items():
        exact = f"`{name}`"  # as the server itself says it, whatever the name
        if what.startswith("float"):
            exact = f"CAST({exact} AS DOUBLE)"
        elif what.startswith("timestamp"):
            exact = f"UNIX_TIMESTAMP({exact})"
        whole.append(f"COALESCE(MD5({exact}), '-')")
    return f"MD5(CONCAT({', '.join(whole)}))"
