"""The databases' steps in the window."""

from __future__ import annotations

from functools import partial

from migrate.cloud import Context
from migrate.database import baseline, compare, copy, ends, ownership, schema, warm
from migrate.engine import markers
from migrate.engine.plan import Impact, Phase, Step
from migrate.services.base import Recipe


def _ready(context: Context) -> bool:
    """Whether the tools wait, or have done what they waited for: then they were let go."""
    return markers.reached(context, "synced") or warm.started(context)


def steps(recipes: tuple[Recipe, ...], isolated: ends.Isolated) -> tuple[Step, ...]:
    """Fingerprint, copy, compare, and a schema step for every project that has databases.

    *isolated* proves that nothing of the target reaches the source.
    """
    return (
        Step(
            id="database.tools",
            title="Start the target's schema tools, to wait for the window",
            phase=Phase.FOLLOW,
            done=_ready,
            apply=schema.await_tools,
            revert=warm.stop,
            estimate=60,
        ),
        Step(
            id="database.first-pass",
            title="Copy the databases a first time while the source serves",
            phase=Phase.FOLLOW,
            done=copy.passed,
            apply=copy.first_pass,
            revert=ownership.discard,
            needs=("transfer.key",),
            estimate=10,
        ),
        Step(
            id="database.fingerprint",
            title="Fingerprint the fenced databases",
            phase=Phase.CUTOVER,
            done=baseline.taken,
            apply=baseline.take,
            revert=baseline.lift,
            needs=("fence.read-only",),
            impact=Impact.API_CLOSED,
            estimate=1,
        ),
        Step(
            id="database.copy",
            title="Bring what changed in the databases since the first pass",
            phase=Phase.CUTOVER,
            done=copy.copied,
            apply=copy.copy,
            revert=copy.uncopy,
            needs=("database.fingerprint",),
            impact=Impact.API_CLOSED,
            estimate=2,
        ),
        Step(
            id="database.compare",
            title="Compare every table, definition, account and grant",
            phase=Phase.CUTOVER,
            done=copy.compared,
            apply=compare.prove,
            revert=compare.forget,
            needs=("database.copy",),
            impact=Impact.API_CLOSED,
            estimate=1,
        ),
        Step(
            id="database.ends",
            title="Prove that every URL in the copied data leads to the target",
            phase=Phase.CUTOVER,
            done=ends.proven,
            apply=partial(ends.prove, isolated=isolated),
            revert=ends.forget,
            needs=("database.compare", "isolation.proof"),
            impact=Impact.API_CLOSED,
            estimate=1,
        ),
        *(schema.step(recipe) for recipe in recipes if recipe.sync),
        Step(
            id="database.synced",
            title="Mark the target's databases as upgraded",
            phase=Phase.CUTOVER,
            done=lambda context: markers.everywhere(context, "synced"),
            apply=schema.finish,
            revert=lambda context: markers.unmark(context, "synced"),
            needs=tuple(f"{recipe.project}.schema" for recipe in recipes if recipe.sync),
            impact=Impact.API_CLOSED,
            estimate=0.3,
        ),
    )
