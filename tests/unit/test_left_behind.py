"""Whether `pulumi destroy` goes on past a compute host that is dead: what forbids it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from infra.resources import guarded
from infra.resources.standing import TakeoverProvider
from migrate.computes import installers
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Plan
from migrate.errors import PassedOverError, StepError
from migrate.phases import left_behind, rollback, status
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.takeover import going_live
from tests.unit import fakes

SILENT = {"reach.ports": ["timeout"], "reach.packets": [{"whole": None}], "notes.left": []}
DEAD = PassedOverError("all else is undone, but not compute.renew: compute is away", {"compute"})


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for function, told in SILENT.items():
        monkeypatch.setitem(fakes.ANSWERS, function, told)
    context, _ = fakes.context(tmp_path, "compute")
    journal = Journal(tmp_path / "journal", "test")
    yield Session(context, Plan(()), journal)
    journal.close()


def dead(session: Session, *names: str) -> None:
    for host in session.context.hosts:
        assert isinstance(host, fakes.FakeHost)
        host.dead = host.dead or host.name in names


def test_all_else_goes_and_it_is_told_what_to_do_once_it_answers(session: Session) -> None:
    told = left_behind.tell(session, DEAD)
    assert told.startswith("compute is dead: nothing was undone there")
    assert "mask its nova-compute and network agents" in told
    assert "migrate rollback --execute --stack test" in told
    assert [(one.kind, one.text) for one in session.journal.remarks()] == [("hosts", told)]


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("reach.ports", ["open"]),
        ("reach.ports", ["refused"]),
        ("reach.packets", [{"whole": False}]),
    ],
)
def test_one_that_answers_the_source_lives(
    session: Session, monkeypatch: pytest.MonkeyPatch, function: str, answer: Any
) -> None:
    monkeypatch.setitem(fakes.ANSWERS, function, answer)
    with pytest.raises(StepError, match=r"compute is away\. Nothing is destroyed .*it lives"):
        left_behind.tell(session, DEAD)
    assert session.journal.remarks() == []


def test_nobody_says_that_it_is_dead_where_the_source_cannot_be_asked(session: Session) -> None:
    dead(session, "old")
    with pytest.raises(StepError, match="it lives"):
        left_behind.tell(session, DEAD)


def test_what_is_its_own_does_not_go_with_the_target(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = {"reinstall-compute": {"stage": "itself"}}
    monkeypatch.setitem(fakes.ANSWERS, "record.every", every)
    with pytest.raises(StepError, match=r"compute's own is kept .*in /var/lib/migrate/kept: copy"):
        left_behind.tell(session, DEAD)


def test_with_a_dead_target_this_desk_must_know_that_nothing_was_kept(session: Session) -> None:
    dead(session, "new", "new2")
    with pytest.raises(StepError, match="nobody can say that it is not"):
        left_behind.tell(session, DEAD)
    installers.keep(session.context, ["compute"], installers.IN_PLACE, begun=())
    assert left_behind.tell(session, DEAD)


def test_once_it_answers_a_rollback_undoes_what_was_left_and_needs_no_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(going_live, "written", lambda _: False)
    context, hosts = fakes.context(tmp_path, "new", "new2")
    journal = Journal(tmp_path / "journal", "rollback")
    plan = compose(context)
    left = [one for one in plan if one.id in ("compute.renew", "compute.environment")]
    for step in plan:
        state = State.FAILED if step in left else State.REVERTED
        journal.record(step.phase, step.id, state)
    session = Session(context, plan, journal)
    owed = status.status(session, held="")["next"]
    assert owed.startswith("`migrate rollback --stack test --execute` undoes what compute still")
    rollback.rollback(session, lambda *_: None)
    assert status.status(session, held="")["next"].startswith("`migrate check")
    assert [journal.state(one.id) for one in left] == [State.REVERTED] * 2
    assert {"exchange.back", "environment.remove"} <= set(hosts["compute"].asked)
    journal.close()


def test_the_takeover_is_deleted_past_it_and_the_engine_is_told(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def opened(*_: Any, **__: Any) -> Iterator[Session]:
        yield session

    def passes_over(*_: Any) -> None:
        raise DEAD

    monkeypatch.setattr(rollback, "opened", opened)
    monkeypatch.setattr(rollback, "noticing", lambda _: nullcontext())
    monkeypatch.setattr(rollback, "rollback", passes_over)
    monkeypatch.setattr(guarded, "serves", lambda _: None)
    TakeoverProvider().delete("test", {"stack": "test"})
    assert "compute is dead" in capsys.readouterr().err
    monkeypatch.setitem(fakes.ANSWERS, "reach.ports", ["open"])
    with pytest.raises(StepError, match="it lives"):
        TakeoverProvider().delete("test", {"stack": "test"})
    monkeypatch.setattr(rollback, "rollback", lambda *_: None)
    TakeoverProvider().delete("test", {"stack": "test"})
    assert capsys.readouterr().err == ""
