"""Agents and computes that the target has heard: by the time of the heartbeat, not its word "up".

The rows copied from the source say "up" by themselves for a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from migrate.cloud.api import Api, ApiError
from migrate.verify.listing import Listing

# the target runs its own of these; one of them heard is enough
ANYWHERE = ("nova-scheduler", "nova-conductor", "nova-consoleauth", "cinder-scheduler")
POLL = 1.0


@dataclass(frozen=True, slots=True)
class Voice:
    """A daemon that the cloud listens to. `at` is its last heartbeat in seconds since 1970."""

    binary: str
    host: str
    at: float

    def __str__(self) -> str:
        return f"{self.binary} on {self.host}" if self.host else self.binary


@dataclass(frozen=True, slots=True)
class Hearing:
    """`heard` maps a daemon to the seconds from the release to its first heartbeat seen."""

    heard: dict[str, float]
    silent: tuple[str, ...]


def wait(
    api: Api,
    before: Listing,
    released: float,
    *,
    seconds: float = 120,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] = lambda _: None,
) -> Hearing:
    """Wait until all that was alive *before* was heard after *released*, or *seconds* are over.

    *tell* is called with each name as it is heard.
    """
    wanted = expected(before)
    heard: dict[str, float] = {}
    deadline = time.monotonic() + seconds
    while True:
        for voice in _voices(api, last=time.monotonic() > deadline):
            name = voice.binary if voice.binary in ANYWHERE else str(voice)
            if name in wanted - heard.keys() and voice.at > released:
                heard[name] = round(voice.at - released, 3)
                tell(name)
        silent = tuple(sorted(wanted - heard.keys()))
        if not silent or time.monotonic() > deadline:
            return Hearing(heard, silent)
        sleep(POLL)


def _voices(api: Api, *, last: bool) -> list[Voice]:
    """`voices()`; an API that fails is asked again until the *last* time."""
    try:
        return voices(api)
    except ApiError:
        if last:
            raise
        return []


def expected(before: Listing) -> set[str]:
    """What must be heard: all that was alive and not disabled."""
    names = set()
    for type_ in ("compute-service", "volume-service"):
        for row in before.resources.get(type_, {}).values():
            if row["state"] == "up" and row["status"] == "enabled":
                binary = row["binary"]
                names.add(binary if binary in ANYWHERE else str(Voice(binary, row["host"], 0)))
    for row in before.resources.get("agent", {}).values():
        if row["alive"] and row["admin_state_up"]:
            names.add(str(Voice(row["binary"], row["host"], 0)))
    if "stack" in before.resources:
        names.add("heat-engine")
    return names


def voices(api: Api) -> list[Voice]:
    """All daemons that any API tells of, with their last heartbeat."""
    found = []
    for service in ("compute", "volume"):
        if service in api.bases:
            for row in api.pages(service, "/os-services", "services"):
                found.append(Voice(row["binary"], row["host"], moment(row["updated_at"])))
    if "network" in api.bases:
        for row in api.pages("network", "/agents", "agents"):
            found.append(Voice(row["binary"], row["host"], moment(row["heartbeat_timestamp"])))
    if "orchestration" in api.bases:
        found += _engines(api)
    return found


def _engines(api: Api) -> list[Voice]:
    """Heat's engines, as one voice; where only heat's own administrator may ask, it answers."""
    try:
        rows = api.pages("orchestration", "/services", "services")
    except ApiError as error:
        if error.status != 403:
            raise
        api.pages("orchestration", "/stacks", "stacks")  # answered by an engine
        return [Voice("heat-engine", "", time.time())]
    times = [moment(row["updated_at"] or row["created_at"]) for row in rows]
    return [Voice("heat-engine", "", max(times, default=0.0))]


def moment(text: str | None) -> float:
    """Seconds since 1970 of an API's time, which is UTC with or without saying so."""
    if not text:
        return 0.0
    parsed = datetime.fromisoformat(text.strip().replace(" ", "T"))
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()
