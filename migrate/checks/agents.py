"""The source's APIs answer, and the agents and services behind them are heard."""

from __future__ import annotations

from migrate.checks.check import Check
from migrate.cloud import Context, login, side_by_side
from migrate.cloud.api import SERVICES, Api, ApiError
from migrate.cloud.login import LoginError
from migrate.engine.finding import Finding, Severity
from migrate.services import RECIPES
from migrate.services.rest import Rest, Workers

NAME = "agents"


def run(context: Context) -> list[Finding]:
    """APIs that fail, and agents and services that the cloud itself counts as dead."""
    try:
        api = login.api(context)
    except LoginError as error:
        return [_error(error.message, error.remedy)]
    absent = [name for name in SERVICES if name not in api.bases]
    findings = [
        Finding(
            NAME,
            Severity.INFO,
            f"the catalogue has no {name} service",
            "It is left out of the move",
        )
        for name in absent
    ]
    rests = [one.rest for one in RECIPES if one.rest and one.rest.service in api.bases]
    for found in side_by_side.each(lambda rest: _asked(rest, api), rests):
        findings += found
    return findings


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
    except ApiError as error:
        return [_error(str(error), "See that service's log on the controllers")]
    return []


def silent(rest: Rest, workers: Workers, api: Api) -> list[Finding]:
    """Agents and services that are not heard."""
    try:
        rows = api.pages(rest.service, workers.path, workers.list)
    except ApiError as error:
        if workers.any_of and error.status == 403:
            return []
        raise
    dead = [row for row in rows if not workers.well(row)]
    if workers.any_of:
        dead = dead[:1] if len(dead) == len(rows) else []
    return [
        _dead(row["binary"], row.get("hostname") or row["host"], enabled=workers.wanted(row))
        for row in dead
    ]


def _dead(binary: str, host: str, *, enabled: bool) -> Finding:
    if not enabled:
        return Finding(
            NAME,
            Severity.WARNING,
            f"{binary} is disabled and not heard",
            "Delete its record if the host is gone for good",
            host,
        )
    return Finding(
        NAME,
        Severity.ERROR,
        f"{binary} is not heard by the cloud",
        "Start it, or delete its record if the host is gone for good",
        host,
    )


def _error(message: str, remedy: str) -> Finding:
    return Finding(NAME, Severity.ERROR, message, remedy)


CHECK = Check(NAME, "APIs, agents and services of the source", run, quick=True)
