"""Agents and computes that the target has heard: by the time of the heartbeat, not its word "up".

The rows copied from the source say "up" by themselves for a minute.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from migrate.cloud.api import Api, ApiError
from migrate.cloud.wait import while_any
from migrate.services import RECIPES
from migrate.services.rest import Rest, Workers
from migrate.verify.listing import Listing

# the target runs its own of these; one of them heard is enough
ANYWHERE = {
    name for one in RECIPES if one.rest and one.rest.workers for name in one.rest.workers.anywhere
}
POLL = 1.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
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
    wanted: Collection[str],
    released: float,
    *,
    seconds: float = 120,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] = lambda _: None,
) -> Hearing:
    """Wait until all of *wanted* were heard after *released*, or *seconds* are over.

    *tell* is called with each name as it is heard.
    """
    wanted = set(wanted)
    heard: dict[str, float] = {}
    failed: list[ApiError] = []  # an API that fails is asked again; the last answer counts

    def silent() -> tuple[str, ...]:
        failed.clear()
        try:
            found = every(api)
        except ApiError as error:
            failed.append(error)
            found = []
        for heartbeat in found:
            name = _name(heartbeat)
            if name in wanted - heard.keys() and heartbeat.at > released:
                heard[name] = round(heartbeat.at - released, 3)
                tell(name)
        return tuple(sorted(wanted - heard.keys()))

    left = while_any(silent, seconds, POLL, sleep)
    if failed:
        raise failed[0]
    return Hearing(heard, left)


def _name(heartbeat: Heartbeat) -> str:
    return heartbeat.binary if heartbeat.binary in ANYWHERE else str(heartbeat)


def expected(before: Listing, purged: Collection[str] = (), left: Collection[str] = ()) -> set[str]:
    """What must be heard: all that was alive *before*, not disabled, and not *left* by its name.

    Of records that are *purged*, by their ids, only what the target has its own of.
    """
    names = set()
    for rest in (recipe.rest for recipe in RECIPES):
        if rest is None or rest.workers is None:
            continue
        workers = rest.workers
        if workers.any_of and rest.kinds[0].type in before.resources:
            names.add(workers.any_of)
        for id_, row in before.resources.get(workers.kind, {}).items():
            if id_ in purged and row["binary"] not in ANYWHERE:
                continue
            if workers.well(row) and workers.wanted(row) and row["binary"] not in left:
                names.add(_name(Heartbeat(row["binary"], row["host"], 0)))
    return names


def every(api: Api) -> list[Heartbeat]:
    """All daemons that any API tells of, with their last heartbeat."""
    rests = [one.rest for one in RECIPES if one.rest and one.rest.service in api.bases]
    return [one for rest in rests if rest.workers for one in _of_api(api, rest, rest.workers)]


def _of_api(api: Api, rest: Rest, workers: Workers) -> list[Heartbeat]:
    try:
        rows = api.pages(rest.service, workers.path, workers.list)
    except ApiError as error:
        if error.status != 403 or not workers.any_of:
            raise
        api.short(rest)  # answered by one of them
        return [Heartbeat(workers.any_of, "", time.time())]
    times = [moment(next((row[at] for at in workers.at if row[at]), None)) for row in rows]
    if workers.any_of:
        return [Heartbeat(workers.any_of, "", max(times, default=0.0))]
    return [Heartbeat(row["binary"], row["host"], at) for row, at in zip(rows, times, strict=True)]


def moment(text: str | None) -> float:
    """Seconds since 1970 of an API's time, which is UTC with or without saying so."""
    if not text:
        return 0.0
    parsed = datetime.fromisoformat(text.strip().replace(" ", "T"))
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()
