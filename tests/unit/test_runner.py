"""The runner and the journal: interrupt anywhere, then resume, equals uninterrupted."""

from __future__ import annotations

import dataclasses
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.engine import state_directory
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase, Plan, Step
from migrate.engine.runner import Runner
from migrate.errors import (
    IrreversibleError,
    JournalError,
    PassedOverError,
    RefusedError,
    StepError,
    UnreachableError,
)

NO_CONTEXT: Any = SimpleNamespace(dead_targets=frozenset({"dead"}), optional=frozenset())


class DiedError(BaseException):
    """Stands for kill -9: no handler of the program may run after it."""


class World:
    """Machines as a set of facts; dies when a countdown of effects runs out."""

    def __init__(self) -> None:
        self.facts: set[str] = set()
        self.log: list[str] = []
        self.lives = -1

    def effect(self, text: str) -> None:
        if self.lives == 0:
            raise DiedError
        self.lives -= 1
        self.log.append(text)

    def step(
        self, name: str, phase: Phase, needs: tuple[str, ...], *, one_way: bool = False
    ) -> Step:
        def apply(_: Any) -> None:
            for half in ("half", "whole"):
                self.effect(f"{name} {half}")
                self.facts.add(f"{name} {half}")

        def revert(_: Any) -> None:
            for half in ("whole", "half"):
                self.effect(f"undo {name} {half}")
                self.facts.discard(f"{name} {half}")

        return Step(
            id=name,
            title=name,
            phase=phase,
            done=lambda _: f"{name} whole" in self.facts,
            apply=apply,
            revert=None if one_way else revert,
            needs=needs,
        )


@st.composite
def shapes(draw: st.DrawFn) -> list[tuple[str, Phase, tuple[str, ...]]]:
    count = draw(st.integers(1, 7))
    phases = sorted(
        draw(
            st.lists(st.sampled_from([Phase.FOLLOW, Phase.CUTOVER]), min_size=count, max_size=count)
        ),
        key=list(Phase).index,
    )
    return [
        (f"s{i}", phases[i], tuple(f"s{n}" for n in range(i) if draw(st.booleans())))
        for i in range(count)
    ]


def build(world: World, shape: list[tuple[str, Phase, tuple[str, ...]]]) -> Plan:
    return Plan.of(world.step(name, phase, needs) for name, phase, needs in shape)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal", "test")
    yield opened
    opened.close()


@settings(max_examples=60)
@given(shapes(), st.integers(0, 14))
def test_interrupted_then_resumed_equals_uninterrupted(shape: Any, lives: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world, journal = World(), Journal(Path(folder) / "journal", "test")
        plan = build(world, shape)
        world.lives = lives
        try:
            Runner(plan, journal, NO_CONTEXT, workers=1).advance()
        except DiedError:
            journal = Journal(Path(folder) / "journal", "test again")
            world.lives = -1
            Runner(plan, journal, NO_CONTEXT).advance()
        assert world.facts == {f"{s.id} {half}" for s in plan for half in ("half", "whole")}


@settings(max_examples=60)
@given(shapes(), st.integers(0, 14), st.integers(0, 14), st.booleans())
def test_retreat_from_anywhere_is_identity(shape: Any, there: int, back: int, lost: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        world = World()
        plan = build(world, shape)
        for lives, way in ((there, "advance"), (back, "retreat")):
            world.lives = lives
            try:
                getattr(Runner(plan, Journal(path, "test"), NO_CONTEXT, workers=1), way)()
            except DiedError:
                if lost:
                    path.unlink()
        world.lives = -1
        Runner(plan, Journal(path, "test"), NO_CONTEXT).retreat()
        assert world.facts == set()


def test_needs_order_both_ways(journal: Journal) -> None:
    world = World()
    plan = Plan.of(
        [
            world.step("b", Phase.CUTOVER, ("a",)),
            world.step("a", Phase.FOLLOW, ()),
        ]
    )
    Runner(plan, journal, NO_CONTEXT).advance()
    Runner(plan, journal, NO_CONTEXT).retreat()
    assert [line for line in world.log if "half" in line] == [
        "a half",
        "b half",
        "undo b half",
        "undo a half",
    ]


@pytest.mark.parametrize("named", [True, False], ids=["named", "by the journal"])
def test_a_step_that_is_left_out_keeps_those_around_it_in_order(
    journal: Journal, *, named: bool
) -> None:
    """Side by side the first would be undone although what stands upon it could not be."""

    def fails(_: Any) -> None:
        raise StepError("it stands")

    world = World()
    chain = [world.step(f"s{n}", Phase.SETTLE, (f"s{n - 1}",) * bool(n)) for n in range(4)]
    chain[3] = dataclasses.replace(chain[3], revert=fails)
    for one in (chain[0], chain[3]):
        journal.record(Phase.SETTLE, one.id, State.DONE)
    runner = Runner(Plan.of(chain), journal, NO_CONTEXT)
    with pytest.raises(StepError, match="it stands"):
        runner.retreat([chain[0], chain[3]] if named else None)
    assert world.log == []
    journal.record(Phase.SETTLE, "s3", State.REVERTED)
    runner.retreat([chain[0]] if named else None)
    assert world.log == ["undo s0 whole", "undo s0 half"]


def test_nothing_new_begins_after_a_failure(journal: Journal) -> None:
    world = World()

    def refuse(_: Any) -> None:
        raise StepError("no")

    broken = Step(
        id="a", title="", phase=Phase.FOLLOW, done=lambda _: False, apply=refuse, revert=refuse
    )
    plan = Plan.of([broken, world.step("b", Phase.FOLLOW, ("a",))])
    with pytest.raises(StepError, match="a: no"):
        Runner(plan, journal, NO_CONTEXT).advance()
    assert world.log == []
    assert journal.state("a") is State.FAILED
    assert journal.state("b") is State.PENDING


@pytest.mark.parametrize("way", ["advance", "retreat"])
def test_what_cannot_be_recorded_hides_no_steps_own_error(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def refuse(_: Any) -> None:
        journal.close()  # as a disk that is full from here on
        raise StepError("no room for guests")

    step = Step(
        id="a", title="", phase=Phase.FOLLOW, done=lambda _: False, apply=refuse, revert=refuse
    )
    told: list[str] = []
    runner = Runner(Plan.of([step]), journal, NO_CONTEXT, lambda *one: told.append(one[2]))
    with pytest.raises(StepError, match=r"a: no room for guests; not recorded: .*journal: "):
        getattr(runner, way)()
    assert told[-1] == "no room for guests"


def test_refuses_to_go_back_past_a_one_way_step(journal: Journal) -> None:
    world = World()
    plan = Plan.of(
        [
            world.step("a", Phase.FOLLOW, ()),
            world.step("b", Phase.CUTOVER, ("a",), one_way=True),
        ]
    )
    runner = Runner(plan, journal, NO_CONTEXT, allowed={"b"})
    runner.advance()
    world.log.clear()
    with pytest.raises(IrreversibleError, match="past b"):
        runner.retreat()
    assert world.log == []


def test_a_one_way_step_refuses_until_it_is_named(journal: Journal) -> None:
    world = World()
    steps = [world.step("a", Phase.FOLLOW, ()), world.step("b", Phase.FOLLOW, (), one_way=True)]
    plan = Plan.of(steps)
    for allowed in ((), ("a",), ("bb",)):
        with pytest.raises(IrreversibleError, match=r"past b \(b\).*--past b"):
            Runner(plan, journal, NO_CONTEXT, allowed=allowed).advance()
    assert world.log == []
    assert journal.is_empty()
    Runner(plan, journal, NO_CONTEXT, allowed=("b",)).advance()
    # what is done is not run again, so it needs no word
    Runner(plan, journal, NO_CONTEXT).advance()
    assert "b whole" in world.facts


def test_does_nothing_twice_even_without_its_journal(tmp_path: Path) -> None:
    world = World()
    plan = Plan.of([world.step("a", Phase.FOLLOW, ())])
    Runner(plan, Journal(tmp_path / "one", "test"), NO_CONTEXT).advance()
    world.log.clear()
    Runner(plan, Journal(tmp_path / "two", "test"), NO_CONTEXT).advance()
    assert world.log == []


def test_another_plan_is_refused_once_begun(tmp_path: Path) -> None:
    world = World()
    first = Plan.of([world.step("a", Phase.CUTOVER, ()), world.step("b", Phase.CUTOVER, ("a",))])
    second = Plan.of([world.step("a", Phase.CUTOVER, ())])
    journal = Journal(tmp_path / "journal", "test")
    Runner(first, journal, NO_CONTEXT).advance()
    with pytest.raises(JournalError, match="another plan"):
        Runner(second, journal, NO_CONTEXT).advance()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"not a database, but long enough to be read as one" * 40, "file is not a database"),
    ],
)
def test_a_corrupt_journal_is_one_clear_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=told):
        Journal(path)
    assert path.read_bytes() == content


def test_a_journal_of_another_migrate_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    Journal(path, "cutover").close()
    written = state_directory.FORMAT
    for known, told in ((written - 1, "a newer migrate"), (written + 1, "an older migrate")):
        monkeypatch.setattr(state_directory, "FORMAT", known)
        before = path.read_bytes()
        with pytest.raises(JournalError, match=rf"{told} \(format {written}"):
            Journal(path, "cutover")
        assert path.read_bytes() == before


def test_a_journal_is_made_once_by_whoever_is_first(tmp_path: Path) -> None:
    """`migrate status` beside a cutover that begins."""
    for number in range(10):
        ready = threading.Barrier(6)

        def opened(path: Path = tmp_path / str(number), ready: threading.Barrier = ready) -> int:
            ready.wait()
            journal = Journal(path, "test")
            journal.record("cutover", "a", State.STARTED)
            return len(journal.events())

        with ThreadPoolExecutor(6) as pool:
            assert max(pool.map(lambda _, opened=opened: opened(), range(6))) == 6


def test_a_journal_that_is_read_is_not_made(tmp_path: Path) -> None:
    for empty in (False, True):
        if empty:
            (tmp_path / "journal").touch()
        read = Journal(tmp_path / "journal", reading=True)
        assert read.is_empty()
        read.close()
        assert [path.stat().st_size for path in tmp_path.iterdir()] == [0] * empty
    Journal(tmp_path / "journal", "test").record("cutover", "a", State.STARTED)
    assert Journal(tmp_path / "journal", reading=True).begun() == ["a"]


def test_a_journal_that_another_holds_is_not_called_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal", "cutover")
    journal._db.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(tmp_path / "journal", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalError, match="is held by another program"):
        journal.record("cutover", "a", State.STARTED)


def test_the_journal_is_private(journal: Journal) -> None:
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_steps_that_need_each_other_are_a_bug() -> None:
    world = World()
    with pytest.raises(ValueError, match="need each other"):
        Plan.of([world.step("a", Phase.FOLLOW, ("b",)), world.step("b", Phase.FOLLOW, ("a",))])


@pytest.mark.parametrize(("host", "goes_on"), [("dead", True), ("source", False)])
def test_a_dead_target_does_not_stop_the_way_back(
    journal: Journal, host: str, goes_on: bool
) -> None:
    world = World()

    def unreachable(_: Any) -> None:
        raise UnreachableError(f"{host} is away", host)

    step = world.step("a", Phase.FOLLOW, ())
    there = dataclasses.replace(step, id="b", needs=("a",), revert=unreachable)
    runner = Runner(Plan.of([step, there]), journal, NO_CONTEXT)
    runner.advance()
    if goes_on:
        runner.retreat()
    else:
        with pytest.raises(StepError, match="source is away"):
            runner.retreat()
    assert (world.facts == set()) is goes_on


@pytest.mark.parametrize("phase", [Phase.FOLLOW, Phase.SETTLE])
def test_a_dead_compute_host_is_named_with_what_it_boots_into_and_all_else_is_undone(
    journal: Journal, phase: Phase
) -> None:
    """Only one that had come over boots into what must not meet the source."""
    world = World()
    context: Any = SimpleNamespace(dead_targets=frozenset(), optional=frozenset({"c1"}))
    away = True

    def revert(_: Any) -> None:
        if away:
            raise UnreachableError("c1 is away", "c1")
        world.facts -= {"c1.renew half", "c1.renew whole"}

    others = [world.step("a", Phase.FOLLOW, ()), world.step("c2.renew", Phase.SETTLE, ())]
    lost = dataclasses.replace(world.step("c1.renew", phase, ()), revert=revert)
    runner = Runner(Plan.of([*others, lost]), journal, context)
    runner.advance()
    with pytest.raises(PassedOverError, match=r"c1\.renew: c1 is away.*Bring that host") as told:
        runner.retreat()
    assert told.value.hosts == {"c1"}
    assert world.facts == {"c1.renew half", "c1.renew whole"}
    assert ("boots into the target's release" in str(told.value)) is (phase is Phase.SETTLE)
    away = False
    runner.retreat()  # the same again undoes what was left
    assert world.facts == set()


@pytest.mark.parametrize("lost", [False, True], ids=["journal", "no journal"])
def test_a_host_that_comes_back_meanwhile_keeps_what_still_runs_from_it(
    journal: Journal, *, lost: bool
) -> None:
    world = World()
    context: Any = SimpleNamespace(dead_targets=frozenset(), optional=frozenset({"c1"}))
    chain = [world.step(f"c1.s{n}", Phase.SETTLE, (f"c1.s{n - 1}",) * bool(n)) for n in range(4)]
    usual, away = chain[2].revert, [UnreachableError("c1 is away", "c1")]

    def revert(given: Any) -> None:
        if away:
            raise away.pop()  # and answers from then on
        assert usual
        usual(given)

    chain[2] = dataclasses.replace(chain[2], revert=revert)
    runner = Runner(Plan.of([*chain, world.step("c2.s0", Phase.SETTLE, ())]), journal, context)
    if not lost:
        runner.advance()
    world.facts |= {f"c1.s{n} {half}" for n in range(4) for half in ("half", "whole")}
    with pytest.raises(PassedOverError, match=r"c1\.s2: c1 is away; c1\.s1: .*; c1\.s0: "):
        runner.retreat()
    assert world.facts == {f"c1.s{n} {half}" for n in range(3) for half in ("half", "whole")}
    runner.retreat()
    assert world.facts == set()


def test_one_that_answers_and_does_not_let_us_in_is_not_told_as_dead(journal: Journal) -> None:
    world = World()
    context: Any = SimpleNamespace(dead_targets=frozenset(), optional=frozenset({"c1", "c2"}))

    def failing(error: UnreachableError) -> Any:
        def revert(_: Any) -> None:
            raise error

        return revert

    errors = {"c1": UnreachableError("c1 is away", "c1"), "c2": RefusedError("c2 says no", "c2")}
    steps = [
        dataclasses.replace(world.step(name, Phase.SETTLE, ()), revert=failing(error))
        for name, error in errors.items()
    ]
    runner = Runner(Plan.of(steps), journal, context)
    runner.advance()
    with pytest.raises(StepError, match="c2 says no") as told:
        runner.retreat()
    assert not isinstance(told.value, PassedOverError)
    assert "c1 is away" in str(told.value)
