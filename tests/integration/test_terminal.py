"""A run on a real terminal that dies or stands still, and real signals."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wait import waits_for

pytestmark = pytest.mark.integration
STEPS = 12
# the real parts from the signals to the screen; a step takes a moment and leaves a file
DRIVER = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from migrate.errors import MigrateError
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase, Plan, Step
from migrate.phases.session import Session
from migrate.cli.output import Progress, Screen
from migrate.phases.signals import heard
from migrate.cli.terminal import TERMINAL, failure

home, count = Path(sys.argv[1]), int(sys.argv[2])

def step(n):
    def apply(_):
        (home / f"begun{n}").touch()
        time.sleep(0.2)
        (home / f"done{n}").touch()
    return Step(id=f"s{n}", title="", phase=Phase.FOLLOW, done=lambda _: False, apply=apply,
                revert=lambda _: None, needs=(f"s{n - 1}",) if n else ())

plan = Plan.of(step(n) for n in range(count))
screen = Screen()
TERMINAL.log_to(home)
context = SimpleNamespace(home=home, run=None, dead_targets=frozenset(), optional=frozenset())
session = Session(context, plan, Journal(home / "journal", "follow"), screen.remark)
code = 0
try:
    with heard(session):
        screen.say("here we go")
        session.runner(Phase.FOLLOW, notify=Progress(screen, plan)).advance()
        screen.say("all went through")
except MigrateError as error:
    failure(error)
    code = error.exit_code
(home / "ended").touch()
TERMINAL.flush()
sys.exit(code)
"""


@dataclass
class Child:
    pid: int
    master: int

    def reads(self, text: str, seconds: float = 120) -> str:
        """What it prints until *text* is among it."""
        os.set_blocking(self.master, False)
        seen, deadline = "", time.monotonic() + seconds
        while text not in seen:
            assert time.monotonic() < deadline, seen
            with suppress(BlockingIOError):
                seen += os.read(self.master, 65536).decode()
            time.sleep(0.02)
        return seen

    def code(self, seconds: float = 30) -> int:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise TimeoutError("it did not end")


def started(home: Path, count: int = STEPS) -> Child:
    pid, master = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", DRIVER, str(home), str(count)])
    child = Child(pid, master)
    child.reads("here we go")
    return child


def test_a_terminal_that_dies_does_not_stop_the_run(tmp_path: Path) -> None:
    child = started(tmp_path)
    child.reads("s1 ")
    os.close(child.master)  # the kernel sends SIGHUP, and each write fails with EIO
    assert child.code() == 0
    assert all((tmp_path / f"done{n}").exists() for n in range(STEPS))
    log = tmp_path / "run.log"
    assert f"✓ s{STEPS - 1}" in log.read_text()
    assert "all went through" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_terminal_that_stands_still_does_not_either(tmp_path: Path) -> None:
    child = started(tmp_path)
    child.reads("s1 ")
    os.write(child.master, b"\x13")  # Ctrl-S
    assert waits_for((tmp_path / "ended").exists)
    assert "all went through" in (tmp_path / "run.log").read_text()
    os.write(child.master, b"\x11")  # Ctrl-Q
    child.reads("all went through")
    assert child.code() == 0
    os.close(child.master)


def test_ctrl_c_ends_after_what_runs(tmp_path: Path) -> None:
    child = started(tmp_path)
    child.reads("s1 ")
    os.write(child.master, b"\x03")
    said = child.reads("error: ")
    assert "stopping after what runs now" in said
    assert child.code() == 4
    assert "stopped by the operator before" in (tmp_path / "run.log").read_text()
    begun, done = len(list(tmp_path.glob("begun*"))), len(list(tmp_path.glob("done*")))
    assert begun == done < STEPS
    os.close(child.master)


def test_a_signal_while_the_terminal_is_dead(tmp_path: Path) -> None:
    child = started(tmp_path)
    child.reads("s1 ")
    os.close(child.master)
    os.kill(child.pid, signal.SIGTERM)
    assert child.code() == 4
    assert "error: stopped by the operator before" in (tmp_path / "run.log").read_text()
