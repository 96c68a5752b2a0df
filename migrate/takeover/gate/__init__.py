"""The doors of the source: watched, closed to users, drained, closed to all, left to the target."""

from __future__ import annotations

from collections.abc import Iterator

from migrate.cloud import Context
from migrate.engine.plan import Impact, Phase, Step
from migrate.services.base import Recipe
from migrate.takeover.gate import close, proof, reopen_timer
from migrate.takeover.gate.drain import drain, drained


def steps(_: tuple[Recipe, ...]) -> Iterator[Step]:
    """`gate.timer` to `gate.disarm`; going back opens the doors last of all."""
    yield Step(
        id="gate.timer",
        title="Arm the watch that reopens the source",
        phase=Phase.CUTOVER,
        done=reopen_timer.armed,
        apply=reopen_timer.arm,
        revert=reopen_timer.remove,
        needs=("isolation.proof",),
        estimate=0.5,
    )
    yield Step(
        id="gate.users",
        title="Close the source to users; its own hosts pass",
        phase=Phase.CUTOVER,
        done=lambda context: proof.holds(context, "users"),
        apply=_close_to_users,
        revert=close.reopen,
        needs=("gate.timer", "agents.record"),
        impact=Impact.API_CLOSED,
        estimate=0.6,
    )
    yield Step(
        id="gate.drain",
        title="Wait until nothing is in flight",
        phase=Phase.CUTOVER,
        done=drained,
        apply=drain,
        revert=lambda _: None,
        needs=("gate.users",),
        impact=Impact.API_CLOSED,
        estimate=2.0,
    )
    yield Step(
        id="gate.all",
        title="Close the source to everybody",
        phase=Phase.CUTOVER,
        done=lambda context: proof.holds(context, "all"),
        apply=_close_to_all,
        revert=_back_to_users,
        needs=("gate.drain",),
        impact=Impact.API_CLOSED,
        estimate=0.4,
    )
    yield Step(
        id="gate.disarm",
        title="Take the watch away: from here the target decides",
        phase=Phase.CUTOVER,
        done=reopen_timer.disarmed,
        apply=reopen_timer.disarm,
        revert=reopen_timer.arm,
        needs=("gate.all", "apis.answer"),
        impact=Impact.API_CLOSED,
        estimate=0.3,
    )


def _close_to_users(context: Context) -> None:
    close.close(context, "users")
    proof.prove(context, "users")


def _close_to_all(context: Context) -> None:
    close.close(context, "all")
    proof.prove(context, "all")
    close.end_old_workers(context)


def _back_to_users(context: Context) -> None:
    if close.closed(context, "all"):
        close.close(context, "users")
