"""What the window does with a failure: undo itself, whatever failed, and say how things are."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.cloud import serving
from migrate.cloud.settings import Ceph
from migrate.database import clone
from migrate.database.replication import server_copy
from migrate.engine import markers
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase, Plan, Step
from migrate.errors import JournalError, LockedError, PreconditionError, StepError
from migrate.onhost import processes, runs
from migrate.phases import control, cutover
from migrate.phases.session import Session
from migrate.takeover import going_live, virtual_ip
from migrate.takeover.gate import close, reopen_timer


def step(name: str, act: Callable[[], None], undone: list[str], needs: tuple[str, ...]) -> Step:
    return Step(
        id=name,
        title="",
        phase=Phase.CUTOVER,
        done=lambda _: False,
        apply=lambda _: act(),
        revert=lambda _: undone.append(name),
        needs=needs,
    )


@pytest.fixture
def undone() -> list[str]:
    return []


@pytest.fixture
def make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undone: list[str]
) -> Iterator[Callable[..., Session]]:
    monkeypatch.setattr(control, "apart", lambda context: context)
    monkeypatch.setattr(reopen_timer, "left", lambda _: None)
    monkeypatch.setattr(reopen_timer, "extend", lambda _: undone.append("extended"))
    monkeypatch.setattr(markers, "refuse_after", lambda *_: None)
    monkeypatch.setattr(close, "closed", lambda *_: False)
    monkeypatch.setattr(serving, "unanswered", lambda _: [])
    monkeypatch.setattr(clone, "remove", lambda _: None)
    monkeypatch.setattr(server_copy, "put_back", lambda _: None)
    monkeypatch.setattr(
        virtual_ip, "carried", lambda _: True
    )  # it is asked after the takeover only
    journal = Journal(tmp_path / "journal", "cutover")
    context: Any = SimpleNamespace(
        home=tmp_path,
        run=None,
        settings=SimpleNamespace(ceph=Ceph()),
        target=SimpleNamespace(database=None),
        dead_targets=frozenset(),
        optional=frozenset(),
    )

    def made(act: Callable[[], None], after: Callable[[], None] = lambda: None) -> Session:
        plan = [
            step("gate.timer", lambda: None, undone, ()),
            step("fails", act, undone, ("gate.timer",)),
            step(going_live.POINT, lambda: None, undone, ("fails",)),
            step("release", after, undone, (going_live.POINT,)),
        ]
        return Session(context, Plan.of(plan), journal)

    yield made
    journal.close()


def raising(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StepError("old: no"), "fails: old: no; the window was undone"),
        (KeyError("volume"), r"a bug: KeyError\('volume'\); the window was undone"),
    ],
)
def test_a_failure_or_a_bug_undoes_the_window(
    make: Any, undone: list[str], error: Exception, told: str
) -> None:
    session = make(raising(error))
    with pytest.raises(StepError, match=told):
        cutover.cutover(session, lambda *_: None)
    assert undone == ["extended", "fails", "gate.timer"]
    remarked = [one for one in session.journal.remarks() if one.kind == "bug"]
    assert len(remarked) == isinstance(error, KeyError)
    if remarked:
        assert "Traceback" in remarked[0].text or "KeyError" in remarked[0].text


def test_who_was_taken_over_undoes_nothing(make: Any, undone: list[str]) -> None:
    with pytest.raises(LockedError, match="taken over"):
        cutover.cutover(make(raising(LockedError("taken over"))), lambda *_: None)
    assert undone == []


def test_after_the_move_nothing_is_undone(make: Any, undone: list[str]) -> None:
    session = make(lambda: None, after=raising(KeyError("x")))
    with pytest.raises(StepError, match="the virtual IP has moved and the target serves"):
        cutover.cutover(session, lambda *_: None)
    assert undone == []


@pytest.mark.parametrize(
    ("released", "carried"), [(True, True), (True, False), (False, True)], ids=str
)
def test_a_window_that_is_over_is_left_as_it_is(
    make: Any, monkeypatch: pytest.MonkeyPatch, released: bool, carried: bool
) -> None:
    """By the journal and by the machines: the journal alone is not believed."""
    session = make(lambda: None)
    cutover.cutover(session, lambda *_: None)

    def refuses(*_: Any) -> None:
        raise PreconditionError("marked")

    monkeypatch.setattr(markers, "live", lambda *_: released)
    monkeypatch.setattr(virtual_ip, "carried", lambda _: carried)
    monkeypatch.setattr(markers, "refuse_after", refuses)
    noted = session.journal.events()
    if released and carried:
        cutover.cutover(session, lambda *_: None)
    else:
        with pytest.raises(PreconditionError, match="marked"):
            cutover.cutover(session, lambda *_: None)
    assert session.journal.events() == noted


def test_a_stop_is_forgotten_when_the_window_was_undone(make: Any, undone: list[str]) -> None:
    def stop() -> None:
        session.cancellation.request("stopped by the operator")

    session = make(stop)
    with pytest.raises(StepError, match=r"stopped by the operator before .*the window was undone"):
        cutover.cutover(session, lambda *_: None)
    assert undone == ["extended", "fails", "gate.timer"]
    assert not session.cancellation.requested


def test_a_journal_that_cannot_be_written_does_not_stop_the_way_back(
    make: Any, undone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make(lambda: None)

    def full(self: Journal, *_: Any) -> None:
        raise JournalError("no space left") from sqlite3.OperationalError()

    def act() -> None:
        monkeypatch.setattr(Journal, "record", full)
        raise StepError("disk")

    session = make(act)
    with pytest.raises(StepError, match="no space left; the window was undone"):
        cutover.cutover(session, lambda *_: None)
    assert undone == ["extended", "fails", "gate.timer"]
    monkeypatch.undo()
    assert session.journal.state("gate.timer") is State.DONE  # reverted again by the next one


def test_what_a_waiting_tool_does_for_a_dead_run_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool itself, a child of process 1, is not."""
    monkeypatch.setattr(runs, "ADMITTED", str(tmp_path / "run"))
    child = subprocess.Popen(["sleep", "60"])
    other = subprocess.Popen(["sleep", "60"])
    units = {child.pid: {"migrate-warm-nova.service"}, 1: {"migrate-warm-nova.service"}}
    units[other.pid] = {"nova-api.service"}
    monkeypatch.setattr(
        processes,
        "every",
        lambda: [(pid, parts, 0) for pid, parts in units.items() if pid == 1 or alive(pid)],
    )

    def alive(pid: int) -> bool:
        return (child if pid == child.pid else other).poll() is None

    killed = runs.admit("new")
    assert killed == [f"sleep 60 (process {child.pid})"]
    assert child.wait() != 0
    assert other.poll() is None
    other.kill()
    other.wait()
    assert (tmp_path / "run").read_text() == "new\n"
    runs.shut("new")
    assert (tmp_path / "run").read_text() == "new interrupted\n"
    runs.admit("newest")
    runs.shut("new")  # somebody else's by now
    with pytest.raises(RuntimeError, match="another run has taken over"):
        runs.readmit("new")
    assert (tmp_path / "run").read_text() == "newest\n"


@pytest.mark.parametrize("closed", [False, True])
def test_only_an_open_source_is_listed_anew(
    make: Any, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    """Listings of a window that is over are no proof of this one."""
    monkeypatch.setattr(close, "closed", lambda *_: closed)
    session = make(lambda: None)
    (session.home / "listing-before.json").touch()
    (session.home / "users-before.json").touch()
    cutover.cutover(session, lambda *_: None)
    assert (session.home / "listing-before.json").exists() is closed
    assert (session.home / "users-before.json").exists() is closed
