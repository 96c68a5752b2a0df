"""The source's APIs answer, and the agents and services behind them are heard."""

from __future__ import annotations

from functools import partial
from typing import Any

from migrate.checks.check import Check, everywhere
from migrate.cloud import Context
from migrate.cloud.api import SERVICES, Api, ApiError, admin_at
from migrate.engine.finding import Finding, Severity

NAME = "agents"


def run(context: Context) -> list[Finding]:
    """APIs that fail, and agents and services that the cloud itself counts as dead."""
    try:
        api = admin_at(context)
        bases = api.bases
    except Exception as error:  # openstacksdk and keystoneauth raise many kinds
        return [
            Finding(
                NAME,
                Severity.ERROR,
                f"the administrator cannot log in: {' '.join(str(error).split())[:300]}",
                f"See that keystone answers and that entry {context.settings.cloud.name!r} of "
                "clouds.yaml is right",
            )
        ]
    absent = [name for name in SERVICES if name not in bases]
    findings = [
        Finding(
            NAME,
            Severity.INFO,
            f"the catalogue has no {name} service",
            "It is left out of the move",
        )
        for name in absent
    ]
    asked = [ask for service, ask in ASKED if service in bases]
    for found in everywhere(lambda ask: _guarded(ask, api), asked):
        findings += found
    return findings


def _guarded(ask: Any, api: Api) -> list[Finding]:
    try:
        found: list[Finding] = ask(api)
    except ApiError as error:
        return [_error(str(error), "See that service's log on the controllers")]
    return found


def _identity(api: Api) -> list[Finding]:
    api.pages("identity", "/projects", "projects")
    return []


def _image(api: Api) -> list[Finding]:
    api.get("image", "/images", limit="1")
    return []


def _placement(api: Api) -> list[Finding]:
    api.get("placement", "/resource_providers")
    return []


def _services(service: str, api: Api) -> list[Finding]:
    """Nova and cinder tell of their services in the same words."""
    return [
        _dead(one["binary"], one["host"], enabled=one["status"] == "enabled")
        for one in api.pages(service, "/os-services", "services")
        if one["state"] != "up"
    ]


def _network(api: Api) -> list[Finding]:
    agents = api.pages("network", "/agents", "agents")
    return [
        _dead(one["binary"], one["host"], enabled=one["admin_state_up"])
        for one in agents
        if not one["alive"]
    ]


def _orchestration(api: Api) -> list[Finding]:
    try:
        services = api.pages("orchestration", "/services", "services")
    except ApiError as error:
        if error.status == 403:  # only a heat administrator may ask
            return []
        raise
    engines = [one for one in services if one["binary"] == "heat-engine"]
    if engines and not any(one["status"] == "up" for one in engines):
        return [_dead("heat-engine", engines[0]["hostname"], enabled=True)]
    return []


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


ASKED = (
    ("identity", _identity),
    ("image", _image),
    ("placement", _placement),
    ("compute", partial(_services, "compute")),
    ("network", _network),
    ("volume", partial(_services, "volume")),
    ("orchestration", _orchestration),
)

CHECK = Check(NAME, "APIs, agents and services of the source", run)
