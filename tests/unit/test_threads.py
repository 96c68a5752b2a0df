"""Threads that the run relies on outlive errors that nobody foresaw."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.cli.terminal import LOG, Terminal
from migrate.engine import cloud_lock, state_lock
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase, Plan, Step
from migrate.errors import StepError
from migrate.phases import control
from migrate.phases.session import Session
from migrate.takeover.gate import reopen_timer


def slow(number: int) -> Step:
    return Step(
        id=f"s{number}",
        title="",
        needs=(f"s{number - 1}",) if number else (),
        phase=Phase.CUTOVER,
        done=lambda _: False,
        apply=lambda _: time.sleep(0.05),
        revert=lambda _: None,
    )


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(control, "apart", lambda context: context)
    monkeypatch.setattr(control, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(control, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(cloud_lock, "interrupt", lambda _: [])
    journal = Journal(tmp_path / "journal", "cutover")
    window = SimpleNamespace(limit_seconds=30)
    context: Any = SimpleNamespace(
        home=tmp_path,
        run=None,
        settings=SimpleNamespace(window=window),
        dead_targets=frozenset(),
        optional=frozenset(),
    )
    yield Session(context, Plan(tuple(slow(number) for number in range(60))), journal)
    journal.close()


def remarks(session: Session) -> str:
    return "\n".join(f"{one.kind}: {one.text}" for one in session.journal.remarks())


def failing(error: BaseException, times: int, then: Callable[..., Any]) -> Callable[..., Any]:
    calls: list[int] = []

    def act(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return then(*arguments)

    return act


@pytest.mark.parametrize("error", [KeyError("left"), EOFError(), OSError(28, "No space left")])
def test_an_abort_is_heeded_after_any_error(
    session: Session, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(reopen_timer, "left", failing(error, 3, lambda _: None))
    monkeypatch.setattr(control, "asked", failing(error, 3, control.asked))
    monkeypatch.setattr(cloud_lock, "interrupt", failing(error, 1, lambda _: []))
    with control.watching(session) as opened:
        opened.set()
        control.ask(session.home, control.ABORT, "phone call")
        with pytest.raises(StepError, match=r"aborted by .*phone call"):
            session.runner(Phase.CUTOVER).advance()
    assert remarks(session).count("cannot look for an abort or the limit") == 1
    assert state_lock.myself() in remarks(session)


def test_the_limit_holds_while_the_watch_cannot_be_asked(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def left(_: Any) -> float:
        asked.append(1)
        if len(asked) > 1:
            raise TypeError("a bug")
        return 0.3

    monkeypatch.setattr(reopen_timer, "left", left)
    with control.watching(session) as opened:
        opened.set()
        with pytest.raises(StepError, match="the window took longer than 30 s"):
            session.runner(Phase.CUTOVER).advance()
    assert "control: the watch cannot be asked: TypeError('a bug')" in remarks(session)


def test_what_cannot_be_printed_does_not_silence_the_rest(tmp_path: Path) -> None:
    terminal, shown = Terminal(), []
    terminal.log_to(tmp_path)

    def broken() -> None:
        raise KeyError("closing tag")

    terminal.show(1, broken)
    terminal.show(1, lambda: shown.append("after"))
    terminal.flush()
    assert shown == ["after"]
    assert "not shown: KeyError('closing tag')" in (tmp_path / LOG).read_text()
