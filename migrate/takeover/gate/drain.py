"""Wait until the source is in the middle of nothing, or say what it is in the middle of."""

import time

from migrate.cloud import Context, login, wait
from migrate.cloud.api import Api
from migrate.cloud.operations import InFlight, in_flight
from migrate.database import connection
from migrate.database.holders import holding
from migrate.database.service_databases import service_databases
from migrate.errors import StepError, some
from migrate.takeover.gate import close

SHOWN = 20


def drain(context: Context) -> None:
    """Return when nothing is in flight; StepError names what is after the limit.

    Where calls wait meanwhile that is half of what they may wait, if `window.drainSeconds` is not
    less: given up, they go on to the source, and none has failed.
    """
    api = login.api(context, context.source.api)

    sleep = context.run.sleep if context.run else time.sleep
    window, option = context.settings.window, "drainSeconds"
    seconds = window.drain_seconds
    if close.fronted(context) and window.hold_seconds and window.hold_seconds // 2 < seconds:
        seconds, option = window.hold_seconds // 2, "holdSeconds"
    if found := wait.while_any(lambda: in_flight_now(context, api), seconds, sleep=sleep):
        raise StepError(
            f"still in flight after {seconds} s: {some(found, SHOWN, '; ')}. Wait for them "
            f"or raise sidestep:window.{option}, then begin again"
        )


def in_flight_now(context: Context, api: Api) -> list[str]:
    """Operations in flight, a line each."""
    return sorted({*map(str, in_flight(api)), *_unlisted(context)})


def _unlisted(context: Context) -> list[str]:
    """Those of every project that an API shows even the administrator only of his own.

    Read in the source's databases.
    """
    found: list[str] = []
    for recipe in context.recipes:
        if recipe.unlisted is None:
            continue
        for database in service_databases(context.source, [recipe]):
            table = connection.quoted(database.name, recipe.unlisted.table)
            with connection.session(holding(context.source, database.name)) as link:
                rows = connection.rows(link, recipe.unlisted.moving.format(table=table))
            kind = recipe.unlisted.type
            found += [str(InFlight(kind, "", name, id_, state)) for id_, name, state in rows]
    return found


def drained(context: Context) -> bool:
    """Whether the source is closed and nothing is in flight behind HAProxy."""
    if not close.closed(context, "users"):
        return False
    if close.closed(context, "all"):  # which only a drained cloud gets
        return True
    return not in_flight_now(context, login.api(context, context.source.api))
