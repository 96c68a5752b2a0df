"""A command of the operator's own: all of it ends with it, and what it says is told to nobody."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from migrate.cloud import Context
from migrate.cloud.admission import Run
from migrate.computes import operators
from migrate.engine import state_directory
from migrate.errors import LockedError
from migrate.phases import session
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


LEAVES = """
import subprocess, sys, time
from pathlib import Path
none = subprocess.DEVNULL
child = subprocess.Popen(["sleep", "60"], stdin=none, stdout=none, stderr=none)
(Path(sys.argv[1]) / "pid").write_text(str(child.pid))
time.sleep(0.3)
"""
KILLED = """
import sys
from pathlib import Path
from migrate.computes import operators
from tests.unit import fakes
context = fakes.context(Path(sys.argv[1]))[0]
operators.run(context, sys.argv[2:], "make", 60)
"""


@pytest.fixture
def left(context: Context) -> Iterator[Callable[..., None]]:
    """Has a run start such a command, which has said who it is, and kills the run."""

    def leave(*asked: str) -> None:
        run = subprocess.Popen([sys.executable, "-c", KILLED, str(context.home), *asked])
        while not (context.home / "pid").exists():
            assert run.poll() is None
            time.sleep(0.02)
        run.kill()
        run.wait()

    yield leave
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((context.home / "pid").read_text()), 9)


def test_what_a_killed_run_left_is_ended_with_a_word_before_anything_else(
    context: Context, left: Callable[..., None]
) -> None:
    left(*command(context, STARTS))
    pid = (context.home / "pid").read_text().strip()
    (told,) = operators.end_left(context)
    assert told.startswith("the command of make, process ")
    assert pid in told.partition("process ")[2].split(", ")
    assert child_has_ended(context)
    assert operators.end_left(context) == []


def test_what_has_left_its_group_and_closed_its_files_is_found_too(
    context: Context, left: Callable[..., None]
) -> None:
    left(*command(context, f"exec setsid -w sh -c '{STARTS}' </dev/null >/dev/null 2>&1"))
    assert operators.end_left(context)
    assert child_has_ended(context)


def test_a_second_command_is_not_started_beside_one_that_is_not_ours_to_end(
    context: Context, left: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of `sudo`: without our mark it may only be seen that it runs."""
    monkeypatch.setattr(operators, "END_SECONDS", 0.1)
    path = context.home / "make.running"
    left("env", "-i", *command(context, "echo $$ >{there}/pid; exec sleep 60"))
    told = f"still runs and is not ours to end: `sudo fuser -v {path}` names its processes"
    with pytest.raises(LockedError, match=re.escape(told)):
        operators.end_left(context)
    assert told in operators.run(context, ["touch", str(context.home / "second")], "make", 60)
    assert not (context.home / "second").exists()
    os.kill(int((context.home / "pid").read_text()), 9)
    assert child_has_ended(context)
    assert operators.end_left(context) == []
    assert operators.run(context, ["touch", str(context.home / "second")], "make", 60) == ""


def test_what_a_command_that_has_ended_leaves_behind_is_nobody_s_to_end(context: Context) -> None:
    script = "sleep 60 & echo $! >{there}/pid"
    assert operators.run(context, command(context, script), "make", 60) == ""
    assert operators.end_left(context) == []
    os.kill(int((context.home / "pid").read_text()), 0)
    assert not child_has_ended(context)


def test_what_it_has_started_stays_where_it_came_to_its_end_after_the_run(
    context: Context, left: Callable[..., None]
) -> None:
    """As a machine that it made: that is no half of anything."""
    left(sys.executable, "-c", LEAVES, str(context.home))
    while not operators._is_free(context.home / "make.running"):
        time.sleep(0.02)
    assert operators.end_left(context) == []
    assert not child_has_ended(context)
    assert not list(context.home.glob("*.running"))


def test_so_does_what_a_shell_has_left_in_the_background_with_our_lock(
    context: Context, left: Callable[..., None]
) -> None:
    left(*command(context, "sleep 60 & echo $! >{there}/pid; sleep 0.3"))
    path = context.home / "make.running"
    while not operators._has_ended(path):
        time.sleep(0.02)
    assert not operators._is_free(path)
    assert operators.end_left(context) == []
    assert not child_has_ended(context)


def test_of_one_that_runs_on_another_machine_the_lock_tells(
    context: Context, left: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both have the state directory: its number is another's here."""
    left(*command(context, "sleep 60 & echo $! >{there}/pid; sleep 0.3"))
    while not operators._has_ended(context.home / "make.running"):
        time.sleep(0.02)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    monkeypatch.setattr(operators, "_marked", lambda _: [])
    monkeypatch.setattr(operators, "END_SECONDS", 0.1)
    with pytest.raises(LockedError, match="outlived its run"):
        operators.end_left(context)


def test_what_was_being_ended_when_the_run_was_killed_is_ended(
    context: Context, left: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    left(*command(context, "trap '' TERM; sleep 60 & echo $! >{there}/pid; trap - TERM; wait"))
    path = context.home / "make.running"
    with monkeypatch.context() as killed:
        killed.setattr(operators, "END_SECONDS", 60.0)
        killed.setattr(time, "sleep", lambda _: _killed_once(path))
        with pytest.raises(KeyboardInterrupt):
            operators.end_left(context)
    monkeypatch.setattr(operators, "END_SECONDS", 0.2)
    assert operators.end_left(context)
    assert child_has_ended(context)


def _killed_once(path: Path) -> None:
    """While only what heeds no request to end is left."""
    if len(operators._marked(path)) == 1:
        raise KeyboardInterrupt


def test_a_later_command_of_the_name_takes_nothing_with_it_of_the_one_before(
    context: Context,
) -> None:
    script = "sleep 60 & echo $! >{there}/pid"
    assert operators.run(context, command(context, script), "make", 60) == ""
    assert "was ended" in operators.run(context, ["sleep", "60"], "make", 0.3)
    assert not child_has_ended(context)


def test_nothing_is_known_of_one_that_has_ended(context: Context) -> None:
    assert operators.run(context, ["true"], "make", 60) == ""
    assert not list(context.home.glob("*.running"))


def test_no_command_acts_beside_one_that_is_not_ours_to_end(
    context: Context, left: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any host is asked, so that none need be there."""
    monkeypatch.setattr(operators, "END_SECONDS", 0.1)
    left("env", "-i", *command(context, "echo $$ >{there}/pid; exec sleep 60"))
    root = context.home / "project"
    (root / "stacks").mkdir(parents=True)
    config = {f"sidestep:{key}": one for key, one in fakes.STACK.items()}
    (root / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    monkeypatch.delenv("MIGRATE_HOME", raising=False)
    (root / ".migrate").mkdir()
    (root / ".migrate/prod").symlink_to(context.home)
    with (
        pytest.raises(LockedError, match="command of make outlived its run"),
        session.opened("prod", "settle", changes=True, root=root),
    ):
        pass
