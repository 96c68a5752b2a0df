"""What stands in the source's databases that would hold the window up, or is of no use any more."""

from __future__ import annotations

from collections.abc import Iterator

from migrate.checks.check import Check
from migrate.checks.sql import Database, session
from migrate.cloud import Context
from migrate.database.connection import quoted
from migrate.database.service_databases import service_databases
from migrate.engine.finding import Finding, Severity
from migrate.services.records import Question

NAME = "records"


def run(context: Context) -> list[Finding]:
    """One finding for each question that has enough rows; of nova, in every cell."""
    host = context.source.database
    found = service_databases(context.source.tools, context.recipes)
    with session(host) as link:
        told = [
            (question, database.name, count)
            for recipe in context.recipes
            for question in recipe.questions
            for database in found
            if (database.project, database.usual) == (recipe.project, question.database)
            for count in _count(link, question, database.name)
        ]
    return [
        Finding(NAME, _severity(one), f"{count} {one.message} ({name})", one.remedy, host.name)
        for one, name, count in told
        if count >= one.least
    ]


def _severity(question: Question) -> Severity:
    return Severity.WARNING if question.warning else Severity.ERROR


def _count(database: Database, question: Question, name: str) -> Iterator[int]:
    """How many rows; nothing where the source's release has no such table."""
    if database.value(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s AND "
        "table_name = %s",
        [name, question.table],
    ):
        table = quoted(name, question.table)
        where = question.where.format(d=quoted(name), t=table)
        yield int(database.value(f"SELECT count(*) FROM {table} WHERE {where}"))  # noqa: S608


CHECK = Check(NAME, "records that hold the window up", run)
