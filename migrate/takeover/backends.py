"""Users come when the target's database, broker, cache and proxy answer, and not before.

An API answers without its broker, and a service that runs may be deaf: nothing else would tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine import markers
from migrate.engine.plan import Impact, Phase, Step
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.base import Recipe

WAIT_SECONDS = 45.0  # a broker that was killed is back in half of that


def steps(recipes: tuple[Recipe, ...]) -> Iterator[Step]:
    """`daemons.answer`, when every service has been started."""
    yield Step(
        id="daemons.answer",
        title="See that database, broker, cache and proxy answer",
        phase=Phase.CUTOVER,
        done=lambda context: markers.reached(context, "synced") and not _silent(context, 0.0),
        apply=_wait,
        revert=lambda _: None,
        needs=("database.synced", *(f"{recipe.project}.start" for recipe in recipes)),
        impact=Impact.API_CLOSED,
        estimate=0.4,
    )


def _wait(context: Context) -> None:
    if wrong := _silent(context, WAIT_SECONDS):
        raise StepError(
            f"does not answer within {WAIT_SECONDS:.0f} s: {'; '.join(wrong)}. See "
            "`journalctl -u` there and start it"
        )


def _silent(context: Context, seconds: float) -> list[str]:
    def ask(host: Host) -> list[str]:
        found = call(host, "daemons.silent", seconds, timeout=seconds + 60)
        return [f"{one} on {host.name}" for one in found]

    with ThreadPoolExecutor(8) as pool:
        return [one for found in pool.map(ask, context.target.controllers) for one in found]
