"""What a plan says that steps take: as they ran here, as rehearsed, at this cloud's pace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.database import rehearsed, sizes
from migrate.engine import window
from migrate.engine.journal import Event, Journal, State
from migrate.engine.plan import Phase, Plan
from migrate.phases import expected, timings
from migrate.phases.plan import compose
from migrate.phases.session import Session
from tests.unit import fakes

SLOW = ("isolation.private-address", "broker.accounts", "proxy.config", "front.stand")
OTHER = "transfer.key"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return fakes.context(tmp_path)[0]


def ran(step: str, seconds: float, note: str = "", at: float = 1000.0) -> list[Event]:
    events = ((at, State.STARTED, window.foretold(7)), (at + seconds, State.DONE, note))
    return [Event(when, 1, Phase.FOLLOW, step, state, told) for when, state, told in events]


def estimates(plan: Plan) -> dict[str, float]:
    return {step.id: step.estimate for step in plan}


def test_a_step_takes_what_it_took_here(context: Context) -> None:
    plan = compose(context)
    events = [*ran(OTHER, 9.5), *ran("gate.drain", 31), *ran(OTHER, 0.1, window.WAS_DONE, 2000)]
    found, basis = expected.foreseen(plan, events, {})
    assert estimates(found) == estimates(plan) | {OTHER: 9.5, "gate.drain": 31}
    told = expected.told(basis, plan.phase(Phase.CUTOVER))
    assert told == "figures measured in the lab, of 1 steps by their last run here"


def test_what_was_undone_since_has_still_been_measured(context: Context) -> None:
    undone = Event(3000, 1, Phase.FOLLOW, OTHER, State.REVERTED, "")
    found, _ = expected.foreseen(compose(context), [*ran(OTHER, 9.5), undone], {})
    assert estimates(found)[OTHER] == 9.5


def test_the_rest_goes_at_the_pace_of_what_has_run(context: Context) -> None:
    plan = compose(context)
    lab = estimates(plan)
    events = [event for id_ in (*SLOW, OTHER) for event in ran(id_, 3 * lab[id_])]
    found, basis = expected.foreseen(plan, [*events, *ran("database.first-pass", 9999)], {})
    here = estimates(found)
    assert (basis.pace, basis.compared) == (3, 5)
    assert here["fence.control"] == 3 * lab["fence.control"]
    assert here["database.first-pass"] == 9999
    assert {one.id: one.estimate for one in plan.phase(Phase.SETTLE)} == {
        one.id: one.estimate for one in found.phase(Phase.SETTLE)
    }
    told = expected.told(basis, plan.phase(Phase.CUTOVER))
    assert told == "figures measured in the lab, 3 times as long, as 5 steps took here"
    few, basis = expected.foreseen(plan, events[:-2], {})
    assert basis.compared == 0
    assert estimates(few)["fence.control"] == lab["fence.control"]


@pytest.mark.parametrize(
    ("at", "seconds"), [("1970-01-01T00:00:01+00:00", 8.0), ("2026-01-01T00:00:00+00:00", 4.0)]
)
def test_of_a_run_and_a_rehearsal_the_later_counts(
    context: Context, at: str, seconds: float
) -> None:
    document: dict[str, Any] = {"look_seconds": 4.0, "followed": True, "projects": {}, "at": at}
    rehearsed.keep(context, {**document, "listings": {"listing.before": 5.5}})
    found, basis = expected.foreseen(
        compose(context), ran("database.compare", 8), rehearsed.kept(context)
    )
    assert estimates(found)["database.compare"] == seconds
    assert estimates(found)["listing.before"] == 5.5
    assert ("database.compare" in basis.rehearsed) is (seconds == 4)


def test_a_first_pass_takes_as_long_as_there_is_data(context: Context) -> None:
    before = estimates(compose(context))[sizes.BRINGS]
    sizes.keep(context, 1_350_000_000)
    assert estimates(compose(context))[sizes.BRINGS] == before + 184


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal", "test")
    yield made
    made.close()


def test_what_was_predicted_stays_what_it_was(context: Context, journal: Journal) -> None:
    """Also once the step has run, and the plan has its own time."""
    session = Session(context, compose(context), journal)
    journal.record(Phase.FOLLOW, OTHER, State.STARTED, window.foretold(2))
    journal.record(Phase.FOLLOW, OTHER, State.DONE)
    later = Session(context, expected.foreseen(session.plan, journal.events(), {})[0], journal)
    (one,) = timings.of(later, Phase.FOLLOW, Phase.CUTOVER)
    assert (one.step, one.predicted) == (OTHER, 2)
    assert one.measured < 1
    assert estimates(later.plan)[OTHER] < 1


def test_what_found_nothing_to_do_is_told_as_it_worked_last(
    context: Context, journal: Journal
) -> None:
    for note in ("", window.WAS_DONE):
        journal.record(Phase.FOLLOW, OTHER, State.STARTED, window.foretold(2))
        journal.record(Phase.FOLLOW, OTHER, State.DONE, note)
    (one,) = timings.of(Session(context, compose(context), journal), Phase.FOLLOW)
    first, second = (e.at for e in journal.events() if e.state is State.DONE)
    assert second > first
    assert window.worked(journal.events())[OTHER].end == first
    assert one.predicted == 2
