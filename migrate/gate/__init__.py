"""The doors of the source: watched, closed to users, drained, closed to all, left to the target."""

from __future__ import annotations

from collections.abc import Iterator

from migrate.cloud import Context
from migrate.gate import doors, proof, timer
from migrate.gate.drain import drain, drained
from migrate.plan import Impact, Phase, Step
from migrate.services.base import Recipe


def steps(_: tuple[Recipe, ...]) -> Iterator[Step]:
    """`gate.timer` to `gate.disarm`; going back opens the doors last of all."""
    yield Step(
        id="gate.timer",
        title="Arm the watch that reopens the source",
        phase=Phase.CUTOVER,
        done=timer.armed,
        apply=timer.arm,
        revert=timer.remove,
        needs=("isolation.proof",),
        estimate=0.5,
    )
    yield Step(
        id="gate.users",
        title="Close the source to users; its own hosts pass",
        phase=Phase.CUTOVER,
        done=lambda context: proof.holds(context, "users"),
        apply=_close_to_users,
        revert=doors.reopen,
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
        done=timer.disarmed,
        apply=timer.disarm,
        revert=timer.arm,
        needs=("gate.all", "apis.answer"),
        impact=Impact.API_CLOSED,
        estimate=0.3,
    )


def _close_to_users(context: Context) -> None:
    doors.close(context, "users")
    proof.prove(context, "users")


def _close_to_all(context: Context) -> None:
    doors.close(context, "all")
    proof.prove(context, "all")
    doors.end_old_workers(context)


def _back_to_users(context: Context) -> None:
    if doors.closed(context, "all"):
        doors.close(context, "users")
