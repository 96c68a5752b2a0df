"""How long an ordinary user waits for a short list, a call after the other: before and after."""

import time
from typing import Any

from migrate.cloud import Context, login
from migrate.errors import MigrateError
from migrate.verify import views
from migrate.verify.availability.calls import share

CALLS = 10  # of each API, after one that nobody counts


def sample(context: Context) -> dict[str, Any]:
    """`{"who": "demo", "apis": {"nova": {"calls": 10, "median": 0.031, "p95": 0.05}}}`.

    An API that does not answer this user is not in it.
    """
    who = next(iter(views.users(context)), login.ADMIN)
    api, found = login.api(context, name=who), {}
    for recipe in context.recipes:
        if recipe.rest is None or recipe.rest.service not in api.bases:
            continue
        took = []
        try:
            for _ in range(CALLS + 1):
                began = time.monotonic()
                api.short(recipe.rest)
                took.append(time.monotonic() - began)
        except MigrateError:  # it is not this user's to ask
            continue
        rising = sorted(took[1:])
        found[recipe.project] = {
            "calls": len(rising),
            "median": share(rising, 0.5),
            "p95": share(rising, 0.95),
        }
    return {"who": who, "apis": found}
