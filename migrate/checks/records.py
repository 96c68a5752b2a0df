"""What stands in the source's databases that would hold the window up, or is of no use any more."""

from collections.abc import Iterator

from migrate.checks.sql import Database, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database.connection import quoted
from migrate.database.holders import each_server
from migrate.database.service_databases import ServiceDatabase, service_databases
from migrate.engine.finding import Finding, error, warning
from migrate.services.records import Question


def run(context: Context) -> Iterator[Finding]:
    """One finding for each question that has enough rows; of nova, in every cell."""
    every = service_databases(context.source, context.recipes)
    for host, found in each_server(context.source, every):
        yield from _on(context, host, found)


def _on(context: Context, host: Host, found: list[ServiceDatabase]) -> Iterator[Finding]:
    with session(host) as link:
        told = [
            (question, database.name, count)
            for recipe in context.recipes
            for question in recipe.questions
            for database in found
            if (database.project, database.usual) == (recipe.project, question.database)
            for count in _count(link, question, database.name)
        ]
    for one, name, count in told:
        if count >= one.least:
            tell = warning if one.warning else error
            yield tell(f"{count} {one.message} ({name})", one.remedy, host.name)


def _count(database: Database, question: Question, name: str) -> Iterator[int]:
    """How many rows; nothing where the source's release has no such table."""
    if database.has(name, question.table):
        table = quoted(name, question.table)
        where = question.where.format(d=quoted(name), t=table)
        yield int(database.value(f"SELECT count(*) FROM {table} WHERE {where}"))  # noqa: S608
