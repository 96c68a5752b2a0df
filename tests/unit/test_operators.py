"""A command of the operator's own: all of it ends with it, and what it says is told to nobody."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from migrate.cloud import Context
from migrate.cloud.admission import Run
from migrate.computes import operators
from migrate.engine import state_directory
from tests.unit import fakes

# it starts another, which outlives it and says who it is
STARTS = "sleep 60 & echo $! >{there}/pid.part; mv {there}/pid.part {there}/pid; wait"


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(operators, "LOOK_SECONDS", 0.02)
    return fakes.context(tmp_path)[0]


def command(context: Context, script: str) -> list[str]:
    return ["sh", "-c", script.format(there=context.home)]


def child_has_ended(context: Context) -> bool:
    pid = int((context.home / "pid").read_text())
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    os.kill(pid, 9)
    return False


def interrupted(context: Context, script: str) -> str:
    """What is told of a command that is interrupted once it has started another."""
    run = Run("1")

    def interrupt() -> None:
        while not (context.home / "pid").exists():
            time.sleep(0.01)
        run.interrupted.set()

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    told = operators.run(replace(context, run=run), command(context, script), "make", 60)
    thread.join(10)
    return told


def test_what_it_started_ends_with_it_at_its_time_limit(context: Context) -> None:
    told = operators.run(context, command(context, STARTS), "make", 3)
    assert "did not end within 3 s" in told
    assert child_has_ended(context)


def test_what_it_started_ends_with_it_where_the_run_is_interrupted(context: Context) -> None:
    assert "was interrupted" in interrupted(context, STARTS)
    assert child_has_ended(context)


def test_what_ignores_a_request_to_end_is_ended_too(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "END_SECONDS", 0.2)
    interrupted(context, f"trap '' TERM; {STARTS}")
    assert child_has_ended(context)


def test_what_it_says_is_in_a_file_of_its_user_s_alone_and_in_no_error(context: Context) -> None:
    told = operators.run(context, command(context, "echo password=s3cret; exit 3"), "make", 60)
    log = context.home / "make.log"
    assert told == f"sh exited 3; what it said is in {log}"
    assert log.read_text() == "password=s3cret\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_it_is_not_asked_anything_where_nothing_is_wrong(context: Context) -> None:
    assert operators.run(context, ["true"], "make", 60) == ""
    assert "cannot be run: No such file" in operators.run(context, ["/none"], "make", 60)
    assert state_directory.forget(context.home / "make.log")
