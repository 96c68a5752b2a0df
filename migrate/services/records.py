"""What a service's database is asked before it is moved. Data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MANY = 10_000  # deleted rows that are worth to be removed before they are copied and compared
HOUR = "UTC_TIMESTAMP() - INTERVAL 1 HOUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Rows of *table* that match *where*: named by *message* from `least` on.

    {d} is the database, {t} the table.
    """

    database: str  # its usual name
    table: str
    where: str
    message: str
    remedy: str
    warning: bool = False  # no error
    least: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineMigration:
    """An online data migration, as a question that counts what it has still to do.

    The tool itself writes even when nothing is left, so it is never run on the source.
    """

    name: str
    database: str  # its usual name
    query: str


def left(database: str, **migrations: str) -> tuple[OnlineMigration, ...]:
    """Those of *database*, each by its name with the rows that it has still to do, from FROM on."""
    return tuple(
        OnlineMigration(name=name, database=database, query=f"SELECT count(*) FROM {rows}")  # noqa: S608
        for name, rows in migrations.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Oldest:
    """Records by which services learn how old their oldest is, also when that died years ago.

    `judge` is given the rows of `query`, where {d} is the database, the target's release, and the
    least level that a compute service must have for it; it gives messages and remedies.
    """

    database: str  # its usual name
    query: str
    judge: Callable[[Sequence[Mapping[str, Any]], str, int], Iterator[tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusts:
    """By which of keystone's trusts a service acts for its users; it keeps them encrypted.

    `query` gives id, name, method and what is kept of each thing that has one; {d} is the database.
    `decrypt` of module `crypt`, the service's own, opens it by option `key` of `program`, and the
    first option of `trustee` that is set is the user whom it is given to.
    """

    things: str  # "stack(s)"
    useless: str  # what the service cannot do by a trust that is no good
    remedy: str
    database: str  # its usual name
    query: str
    program: str
    crypt: str
    key: tuple[str, str]
    trustee: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """Resources that the API lists to their own users only, read in the database instead.

    `moving` gives id, name and state of those that somebody is at work on; `changed` those that
    were made, changed or deleted since a time, given three times: `columns`, among them id, name,
    tenant, created_at and deleted_at. In both {table} is the table.
    """

    type: str
    table: str
    moving: str
    changed: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlived:
    """What becomes of records that its units left about the source's controllers, in `finish`.

    `purged` are binaries whose records nothing needs once they run no more; `why` all others stay.
    No API deletes those that are `removed`: the tool `remover` does, given binary and host.
    """

    why: str
    purged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    remover: tuple[str, ...] = ()
