"""Pause, resume, abort and the window's limit, with a real journal and a real runner."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.engine import cloud_lock, state_lock
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase, Plan, Step
from migrate.errors import PreconditionError, StepError, UnreachableError
from migrate.phases import abort, control
from migrate.phases.session import Session
from migrate.takeover import going_live
from migrate.takeover.gate import reopen_timer


def step(name: str, act: Callable[[], None], needs: tuple[str, ...] = ()) -> Step:
    return Step(
        id=name,
        title="",
        phase=Phase.CUTOVER,
        done=lambda _: False,
        apply=lambda _: act(),
        revert=lambda _: None,
        needs=needs,
    )


def steps(*acts: Callable[[], None], point: Callable[[], None] = lambda: None) -> Plan:
    """A window of as many steps, then the point of release."""
    names = ["gate.timer", *(f"s{n}" for n in range(1, len(acts)))]
    made = [
        step(name, act, (names[n - 1],) if n else ())
        for n, (name, act) in enumerate(zip(names, acts, strict=True))
    ]
    return Plan.of([*made, step(going_live.POINT, point, (names[-1],))])


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Plan], Session]]:
    monkeypatch.setattr(control, "apart", lambda context: context)
    monkeypatch.setattr(control, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(control, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(reopen_timer, "left", lambda _: None)
    journal = Journal(tmp_path / "journal", "cutover")
    context: Any = SimpleNamespace(
        home=tmp_path,
        run=None,
        dead_targets=frozenset(),
        optional=frozenset(),
        settings=SimpleNamespace(window=SimpleNamespace(limit_seconds=30)),
    )
    yield lambda plan: Session(context, plan, journal)
    journal.close()


def remarks(session: Session) -> str:
    return "\n".join(f"{one.kind}: {one.text}" for one in session.journal.remarks())


def test_a_request_is_whole_private_and_told(tmp_path: Path) -> None:
    assert control.asked(tmp_path, control.PAUSE) == ""
    control.ask(tmp_path, control.PAUSE, "disk is slow")
    assert "(disk is slow)" in control.asked(tmp_path, control.PAUSE)
    assert (tmp_path / "pause").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pause"]
    assert control.withdraw(tmp_path, control.PAUSE)
    assert not control.withdraw(tmp_path, control.PAUSE)


def test_a_file_made_by_hand_pauses_as_well(tmp_path: Path) -> None:
    (tmp_path / "pause").touch()
    assert control.asked(tmp_path, control.PAUSE) == "somebody"


def test_it_waits_until_resumed(make: Any) -> None:
    session = make(steps(lambda: None))
    assert not control.wait_while_paused(session)
    control.ask(session.home, control.PAUSE)
    threading.Timer(0.2, lambda: control.withdraw(session.home, control.PAUSE)).start()
    began = time.monotonic()
    assert control.wait_while_paused(session)
    assert time.monotonic() - began >= 0.2
    assert "pause: paused by" in remarks(session)
    assert "pause: resumed" in remarks(session)


def test_an_abort_ends_the_waiting(make: Any) -> None:
    session = make(steps(lambda: None))
    control.ask(session.home, control.PAUSE)
    threading.Timer(0.1, lambda: control.ask(session.home, control.ABORT, "not today")).start()
    with (
        control.watching(session),
        pytest.raises(
            StepError, match=r"aborted by .*not today.* while paused; nothing was closed"
        ),
    ):
        control.wait_while_paused(session)


def test_nothing_is_paused_for_ever(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PAUSE_SECONDS", 0.1)
    session = make(steps(lambda: None))
    control.ask(session.home, control.PAUSE)
    with pytest.raises(StepError, match="for a day and not resumed; nothing was closed"):
        control.wait_while_paused(session)


def test_an_abort_in_the_window_stops_it(make: Any) -> None:
    ended = []

    def interrupted(context: Any) -> list[str]:
        ended.append(context)
        return []

    monkey = pytest.MonkeyPatch()
    monkey.setattr(cloud_lock, "interrupt", interrupted)
    session = make(
        steps(
            lambda: control.ask(session.home, control.ABORT, "phone call"),
            lambda: time.sleep(0.3),
            lambda: None,
        )
    )
    with (
        control.watching(session),
        pytest.raises(StepError, match=r"aborted by .*phone call.* before "),
    ):
        session.runner(Phase.CUTOVER).advance()
    monkey.undo()
    assert ended
    assert session.journal.state(going_live.POINT) is State.PENDING
    assert not control.asked(session.home, control.ABORT)
    assert "abort: aborted by" in remarks(session)


def test_an_abort_is_refused_once_the_address_moves(make: Any) -> None:
    session = make(steps(lambda: None, point=lambda: asks(session)))

    def asks(session: Session) -> None:
        control.ask(session.home, control.ABORT)
        time.sleep(0.3)

    with control.watching(session):
        session.runner(Phase.CUTOVER).advance()
        control.ask(session.home, control.ABORT)
        time.sleep(0.3)
    assert session.journal.state(going_live.POINT) is State.DONE
    assert remarks(session).count("the virtual IP has moved, `migrate rollback --execute`") == 2
    assert not control.asked(session.home, control.ABORT)


def test_an_old_request_is_not_this_runs(make: Any) -> None:
    session = make(steps(lambda: time.sleep(0.2)))
    control.ask(session.home, control.ABORT)
    with control.watching(session):
        session.runner(Phase.CUTOVER).advance()
    assert "put away" in remarks(session)


@pytest.mark.parametrize("silent", [False, True])
def test_the_window_ends_at_its_limit(
    make: Any, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    asked: list[float] = []

    def left(_: Any) -> float:
        asked.append(time.monotonic())
        if silent and len(asked) > 1:
            raise UnreachableError("old: cannot be reached", "old")
        return 0.4 - (asked[-1] - asked[0])

    monkeypatch.setattr(reopen_timer, "left", left)
    session = make(steps(*(lambda: time.sleep(0.1) for _ in range(50))))
    began = time.monotonic()
    with control.watching(session) as opened:
        opened.set()
        with pytest.raises(StepError, match="the window took longer than 30 s"):
            session.runner(Phase.CUTOVER).advance()
    assert 0.4 <= time.monotonic() - began < 4  # all steps would take 5 s


def test_a_watch_of_an_earlier_run_says_nothing(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopen_timer, "left", lambda _: 0.0)
    session = make(steps(lambda: time.sleep(0.2)))
    with control.watching(session):
        session.runner(Phase.CUTOVER).advance()


def test_what_has_begun_to_move_is_not_stopped(make: Any) -> None:
    heard = []
    session = make(
        steps(
            lambda: None,
            point=lambda: heard.append(session.cancellation.request("x", going_live.POINT)),
        )
    )
    session.runner(Phase.CUTOVER).advance()
    assert heard == [False]
    assert not session.cancellation.requested


def test_the_way_back_is_not_stopped_half_way(make: Any) -> None:
    session = make(steps(lambda: None, lambda: None))
    runner = session.runner(Phase.CUTOVER)
    runner.advance()
    session.cancellation.request("too early")
    with session.cancellation.ignored():
        assert not session.cancellation.request("no")
        runner.retreat()
    assert {session.journal.state(one.id) for one in session.plan} == {State.REVERTED}


def over(session: Session) -> Session:
    """The target serves: its window is long over."""
    for name in (going_live.ARM, going_live.POINT):
        session.journal.record(Phase.CUTOVER, name, State.DONE)
    return session


@contextmanager
def settling(session: Session) -> Iterator[dict[str, Any]]:
    """A settle at work, as `migrate abort` in another terminal meets it."""
    with state_lock.held(session.home, "settle"), control.stoppable(session):
        yield state_lock.held_by(session.home)


def test_an_abort_of_a_settle_lets_what_runs_end_and_begins_nothing_more(make: Any) -> None:
    told: list[str] = []

    def first() -> None:
        told.append(abort.request(session, state_lock.held_by(session.home), told.append))

    session = over(make(steps(first, lambda: told.append("second"))))
    with settling(session), pytest.raises(StepError, match=r"aborted by .* before s1"):
        session.runner(Phase.CUTOVER).advance()
    assert told[0].startswith("asked ")
    assert re.match(r"aborted by .*: stopping after what runs now\. .*--back --host", told[1])
    assert told[2:] == []


def test_a_settle_heeds_what_was_asked_while_its_hosts_let_it_in(make: Any) -> None:
    """From the lock on it is a run that can be asked; hundreds of hosts take their time."""
    session = over(make(steps(lambda: None)))
    with state_lock.held(session.home, "settle"):
        time.sleep(0.02)  # a tick of the file system's clock
        control.ask(session.home, control.ABORT)
        with control.stoppable(session):
            assert session.cancellation.wait(5)
    assert "put away" not in remarks(session)


def test_asked_once_more_what_runs_is_ended_on_the_hosts(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []

    def interrupted(context: Any) -> list[str]:
        ended.append(context)
        return []

    monkeypatch.setattr(cloud_lock, "interrupt", interrupted)
    session = over(make(steps(lambda: None)))
    with settling(session) as holder:
        abort.request(session, holder, lambda _: None)
        assert ended == []
        abort.request(session, holder, lambda _: None)
    assert len(ended) == 1


def test_another_command_is_not_aborted_and_it_is_said_how_it_is_stopped(make: Any) -> None:
    session = over(make(steps(lambda: None)))
    with (
        state_lock.held(session.home, "finish"),
        pytest.raises(PreconditionError, match=r"only cutover and settle can .*: Ctrl-C there"),
    ):
        abort.request(session, state_lock.held_by(session.home), lambda _: None)


def test_a_window_that_is_over_is_not_told_to_be_open(make: Any) -> None:
    """Else nobody could pause a settle, and was told to abort."""
    session = make(steps(lambda: None))
    session.journal.record(Phase.CUTOVER, going_live.ARM, State.DONE)
    assert abort.window_open(session)
    assert not abort.window_open(over(session))
