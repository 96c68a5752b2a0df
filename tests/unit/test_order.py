"""A plan and its way grow with the number of steps and needs, not with their square."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.engine.journal import Journal, State
from migrate.engine.order import Order
from migrate.engine.plan import Phase, Plan, Step
from migrate.engine.runner import Runner
from migrate.engine.window import foretold

CONTEXT: Any = SimpleNamespace(dead_targets=frozenset(), optional=frozenset())


def step(name: str, phase: Phase = Phase.FOLLOW, needs: tuple[str, ...] = ()) -> Step:
    return Step(
        id=name,
        title=name,
        phase=phase,
        done=lambda _: False,
        apply=lambda _: None,
        revert=lambda _: None,
        needs=needs,
    )


def ids(*steps: Step) -> list[str]:
    return [one.id for one in Plan.of(steps)]


def test_as_given_where_needs_allow() -> None:
    assert ids(step("c"), step("a"), step("b")) == ["c", "a", "b"]
    assert ids(step("c", needs=("b",)), step("a"), step("b"), step("d")) == ["a", "b", "c", "d"]


def test_by_phase_first() -> None:
    assert ids(step("late", Phase.CUTOVER), step("early")) == ["early", "late"]
    late = step("late", Phase.CUTOVER)
    assert ids(late, step("early", needs=("late",)), step("other")) == ["other", "late", "early"]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ((step("a"), step("b"), step("a")), "steps repeat: a$"),
        ((step("a", needs=("b", "c")), step("b")), "need what is not there: c$"),
        ((step("a", needs=("b",)), step("b", needs=("a",)), step("c")), "each other: [ab → ]+$"),
        ((step("a", needs=("a",)),), "each other: a → a$"),
    ],
)
def test_what_is_wrong_is_named(steps: tuple[Step, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Plan.of(steps)


def test_none_is_given_before_its_needs() -> None:
    order = Order({"a": ["b"], "b": [], "c": ["a", "b"], "d": []})
    assert [order.take() for _ in range(len(order))] == ["b", "d"]
    order.done("d")
    assert not order
    order.done("b")
    assert (order.take(), len(order)) == ("a", 0)


class Memory:
    """A journal without a disk, which notes how often it is asked."""

    def __init__(self) -> None:
        self.last: dict[str, State] = {}
        self.asked = 0

    def resume(self, *_: Any, **__: Any) -> None:
        pass

    def record(self, _: str, step_id: str, state: State, note: str = "") -> None:
        assert note == (foretold(1) if state is State.STARTED else "")
        self.last[step_id] = state

    def states(self, _: str = "") -> dict[str, State]:
        self.asked += 1
        return dict(self.last)

    def begun(self, _: str = "") -> list[str]:
        self.asked += 1
        return list(self.last)


def many(count: int, *, chained: bool) -> Plan:
    phases = list(Phase)
    return Plan.of(
        step(f"s{n}", phases[n * 4 // count], (f"s{n - 1}",) if chained and n else ())
        for n in range(count)
    )


@pytest.mark.parametrize("chained", [True, False])
def test_many_steps_are_planned_without_squares(chained: bool) -> None:
    """Squares of 30,000 take minutes of a processor; this takes less than a second."""
    began = time.thread_time()
    assert len(many(30_000, chained=chained)) == 30_000
    assert time.thread_time() - began < 10


@pytest.mark.parametrize("chained", [True, False])
def test_many_steps_go_there_and_back(chained: bool) -> None:
    """The journal is asked a few times in all, not for each step."""
    plan, journal = many(3_000, chained=chained), Memory()
    one: Any = journal
    Runner(plan, one, CONTEXT).advance()
    assert set(journal.last.values()) == {State.DONE}
    Runner(plan, one, CONTEXT).retreat()
    assert set(journal.last.values()) == {State.REVERTED}
    assert journal.asked < 20


def test_states_are_the_last_ones(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "test")
    for state in (State.STARTED, State.DONE, State.REVERTING):
        journal.record("follow", "a", state)
    journal.record("cutover", "b", State.STARTED)
    assert journal.states() == {"a": State.REVERTING, "b": State.STARTED}
    assert journal.states("cutover") == {"b": State.STARTED}
