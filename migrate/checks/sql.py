"""Questions to the MariaDB of a host, as its root, in transactions that may not write."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.holders import each_server
from migrate.database.service_databases import ServiceDatabase, service_databases

SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
ADMINISTRATORS = ("root", "mysql", "mariadb.sys", "debian-sys-maint")  # the server's own accounts
OBJECTS = {
    "view": "view_definition",
    "trigger": "action_statement",
    "routine": "routine_definition",
    "event": "event_definition",
}

Row = dict[str, Any]


class Database:
    """One session whose answers are mappings."""

    def __init__(self, link: connection.Session) -> None:
        self.link = link

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows as mappings by column name in lower case."""
        with self.link.cursor() as cursor:
            cursor.execute(statement, values or None)
            names = [column[0].lower() for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def of(self, query: str, schemata: Collection[str]) -> list[Row]:
        """The rows of *query*, whose {} are *schemata*, the server's own left out."""
        names = [name for name in schemata if name not in SYSTEM]
        return self.rows(query.format(connection.marks(names)), names)

    def objects(self, schemata: Collection[str]) -> Iterator[tuple[str, Row]]:
        """The kind of each view, trigger, routine and event, and where (s), name, definer, text."""
        for kind, text in OBJECTS.items():
            word = "table" if kind == "view" else kind
            query = (
                f"SELECT {word}_schema AS s, {word}_name AS n, definer, {text} AS x "  # noqa: S608
                f"FROM information_schema.{kind}s WHERE {word}_schema IN ({{}})"
            )
            for row in self.of(query, schemata):
                yield kind, row

    def has(self, schema: str, table: str) -> bool:
        return connection.has_table(self.link, schema, table)

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:
        """The first column of the first row, None where there is no row."""
        rows = self.rows(statement, values)
        return next(iter(rows[0].values())) if rows else None


@contextmanager
def session(host: Host) -> Iterator[Database]:
    """A session that may not write; PreconditionError where the server does not let root in."""
    with connection.session(host) as link:
        connection.rows(link, "SET SESSION TRANSACTION READ ONLY")
        yield Database(link)
        connection.rows(link, "SET SESSION TRANSACTION READ WRITE")  # the next who asks may write


def schemata(found: Iterable[ServiceDatabase]) -> list[str]:
    """The names of *found*, each once."""
    return sorted({one.name for one in found})


def of_services(context: Context) -> list[tuple[Host, list[str]]]:
    """The source's servers, each with the services' databases there, cells' included."""
    found = service_databases(context.source, context.recipes)
    return [(host, schemata(own)) for host, own in each_server(context.source, found)]
