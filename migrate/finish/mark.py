"""The point of no return: every machine says so before anything is purged."""

from migrate.cloud import Context
from migrate.engine import markers
from migrate.finish import refusals

CLOCK = "date +%s.%N"


def marked(context: Context) -> bool:
    """Whether every machine that answers is marked so."""
    return markers.everywhere(context, markers.FINISHED)


def mark(context: Context) -> None:
    """Mark them, once nothing forbids it, with the time by the database's host."""
    refusals.refuse(context)
    markers.mark(context, markers.FINISHED, _now(context))


def age(context: Context) -> float:
    """For how many seconds they have been marked so."""
    return _now(context) - markers.since(context, markers.FINISHED)


def _now(context: Context) -> float:
    return float(context.target.database.shell(CLOCK))
