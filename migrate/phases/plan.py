"""The plan: every step of every part, put in order by what each needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from migrate.cloud import Context, transfer
from migrate.configuration import plan as configuration
from migrate.database.steps import steps as database_steps
from migrate.engine import markers
from migrate.engine.plan import Phase, Plan, Step
from migrate.services.base import Recipe
from migrate.storage import images
from migrate.storage.volumes import policy
from migrate.takeover import (
    agents,
    backends,
    fence,
    first_calls,
    gate,
    isolation,
    preload,
    proxy,
    start,
    virtual_ip,
)
from migrate.verify import listings

Part = Callable[[tuple[Recipe, ...]], Iterable[Step]]


def _key(recipes: tuple[Recipe, ...]) -> tuple[Step, ...]:
    """The key, before anything is followed."""
    return (
        Step(
            id="transfer.key",
            title="Let the target's controllers pull data from the source's",
            phase=Phase.FOLLOW,
            done=transfer.ready,
            apply=transfer.allow,
            revert=transfer.forbid,
            estimate=2,
        ),
    )


PARTS: tuple[Part, ...] = (
    _key,
    isolation.steps,
    configuration.steps,
    policy.steps,
    proxy.steps,
    images.steps,
    gate.steps,
    agents.steps,
    listings.steps,
    fence.steps,
    partial(database_steps, isolated=isolation.prove),
    preload.steps,
    start.steps,
    backends.steps,
    first_calls.steps,
    virtual_ip.steps,
    markers.steps,
)


def compose(context: Context) -> Plan:
    """The whole way over for *context*'s recipes; pure, asks no machine."""
    steps = [step for part in PARTS for step in part(context.recipes)]
    return Plan.of(_after_its_listing(step) for step in steps)


def _after_its_listing(step: Step) -> Step:
    """What is listed must be listed before a door closes; no part can know that alone."""
    return replace(step, needs=(*step.needs, *LISTED.get(step.id, ())))


LISTED = {"gate.users": ("listing.users",), "gate.all": ("listing.before",)}
