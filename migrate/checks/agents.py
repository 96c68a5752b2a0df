"""The source's APIs answer, and the agents and services behind them are heard."""

from contextlib import suppress
from typing import Any

from migrate.cloud import Context, login, side_by_side
from migrate.cloud.api import SERVICES, Api, ApiError
from migrate.cloud.login import LoginError
from migrate.engine.finding import Finding, error, info, warning
from migrate.services import RECIPES
from migrate.services.rest import Rest, Workers


def run(context: Context) -> list[Finding]:
    """APIs that fail, and agents and services that the cloud itself counts as dead."""
    try:
        api = login.api(context)
    except LoginError as failure:
        return [error(failure.message, failure.remedy)]
    rests = [one.rest for one in RECIPES if one.rest and one.rest.service in api.bases]
    told = side_by_side.each(lambda rest: _asked(rest, api), rests)
    found = [one for part in told for one in part]
    absent = [f"the catalogue has no {one} service" for one in SERVICES if one not in api.bases]
    return [*(info(one, "It is left out of the move") for one in absent), *found]


def administrator(context: Context) -> Api | None:
    """As whom other checks ask; None where he cannot log in, which this one tells."""
    try:
        found = login.api(context)
    except LoginError:
        return None
    return found if found.bases else None


def _asked(rest: Rest, api: Api) -> list[Finding]:
    try:
        if rest.workers:
            return silent(rest, rest.workers, api)
        api.short(rest)
    except ApiError as failure:
        return [error(str(failure), "See that service's log on the controllers")]
    return []


def silent(rest: Rest, workers: Workers, api: Api) -> list[Finding]:
    """Agents and services that are not heard."""
    rows = _rows(rest, workers, api)
    dead = [row for row in rows if not workers.well(row)]
    if workers.any_of:
        dead = dead[:1] if len(dead) == len(rows) else []
    return [
        _dead(row["binary"], row.get("hostname") or row["host"], enabled=workers.wanted(row))
        for row in dead
    ]


def heard(context: Context) -> list[tuple[str, str]]:
    """Who is heard, and on which host; what an API lacks that fails is told by `run`."""
    api = administrator(context)
    found: list[tuple[str, str]] = []
    for rest in (one.rest for one in RECIPES):
        if api and rest and rest.workers and rest.service in api.bases:
            with suppress(ApiError):
                rows = _rows(rest, rest.workers, api)
                found += [(row["binary"], row["host"]) for row in rows if rest.workers.well(row)]
    return found


def _rows(rest: Rest, workers: Workers, api: Api) -> list[dict[str, Any]]:
    """All that it knows; [] where only the service's own administrator may ask."""
    try:
        return api.pages(rest.service, workers.path, workers.list)
    except ApiError as failure:
        if workers.any_of and failure.status == 403:
            return []
        raise


def _dead(binary: str, host: str, *, enabled: bool) -> Finding:
    remedy = "delete its record if the host is gone for good"
    if not enabled:
        return warning(f"{binary} is disabled and not heard", remedy.capitalize(), host)
    return error(f"{binary} is not heard by the cloud", f"Start it, or {remedy}", host)
