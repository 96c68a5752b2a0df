"""What steps will take here: what they took here before, else what the rehearsal and sizes say.

For the rest the lab's figures stand, at the pace at which these machines did what has run.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from migrate.cloud import Context
from migrate.database import rehearsed
from migrate.engine import window
from migrate.engine.journal import Event, Journal
from migrate.engine.plan import Phase, Plan, Step
from migrate.engine.window import Span
from migrate.errors import JournalError

WAY = (Phase.FOLLOW, Phase.CUTOVER)
LEAST = 5  # steps that must have run before their times say how these machines compare
SLOWEST, FASTEST = 20.0, 0.25  # what is beyond has another cause than the machines
TOLD = 0.5  # seconds: what is shorter in the lab is mostly the way there and back


@dataclass(frozen=True, slots=True)
class Basis:
    """By what the steps of a plan are foreseen: which as they `ran` here, which as `rehearsed`.

    The rest by the lab's figures, times `pace`, as `compared` steps have shown; 0 showed nothing.
    """

    ran: frozenset[str]
    rehearsed: frozenset[str]
    pace: float
    compared: int


def foreseen(plan: Plan, events: list[Event], found: dict[str, Any]) -> tuple[Plan, Basis]:
    """*plan* with what its steps will take by *events*, and *found*, the rehearsal in it."""
    took = window.worked(events)
    since, known = rehearsed.at(found), rehearsed.steps(found)
    ran = {
        step.id
        for step in _of_the_way(plan)
        if step.id in took and not (step.id in known and took[step.id].end < since)
    }
    pace, compared = _pace(plan, took, known)
    basis = Basis(frozenset(ran), frozenset(known - ran), pace, compared)
    return Plan(tuple(_foreseen(step, basis, took) for step in plan)), basis


def known(context: Context, journal: Journal) -> tuple[list[Event], dict[str, Any]]:
    """What is known here of the way over: what ran, and what was rehearsed."""
    with suppress(JournalError):  # whoever needs the journal says what is wrong with it
        events = [event for phase in WAY for event in journal.events(phase)]
        return events, rehearsed.kept(context)
    return [], rehearsed.kept(context)


def told(basis: Basis, those: Plan) -> str:
    """The *basis* of *those* steps in a clause: by which figures they are foreseen."""
    lab = "figures measured in the lab"
    if basis.compared:
        lab += f", {basis.pace:g} times as long, as {basis.compared} steps took here"
    ran = sum(step.id in basis.ran for step in those)
    return lab + (f", of {ran} steps by their last run here" if ran else "")


def _foreseen(step: Step, basis: Basis, took: Mapping[str, Span]) -> Step:
    if step.id in basis.ran:
        return replace(step, estimate=round(took[step.id].seconds, 2))
    if step.phase not in WAY or step.id in basis.rehearsed or not basis.compared:
        return step
    return replace(step, estimate=round(step.estimate * basis.pace, 2))


def _of_the_way(plan: Plan) -> Iterator[Step]:
    return (step for step in plan if step.phase in WAY)


def _pace(plan: Plan, took: Mapping[str, Span], known: set[str]) -> tuple[float, int]:
    """How many times as long as in the lab a step takes here, and how many have shown it."""
    steps = [
        step
        for step in _of_the_way(plan)
        if step.id in took and step.id not in known and not step.grows and step.estimate >= TOLD
    ]
    if len(steps) < LEAST:
        return 1.0, 0
    pace = sum(took[step.id].seconds for step in steps) / sum(step.estimate for step in steps)
    return round(min(max(pace, FASTEST), SLOWEST), 2), len(steps)
