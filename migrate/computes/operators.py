"""A command of the operator's own, as the stack file names it.

What it says may hold secrets: it is kept in a file that only its user reads, and no error tells it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine import state_directory
from migrate.errors import RefusedError, UnreachableError

LOOK_SECONDS, END_SECONDS = 0.2, 10.0


def run(context: Context, asked: Sequence[str], name: str, seconds: float) -> str:
    """What went wrong with the command *asked*, "" where nothing did; its log is *name*.log."""
    log = context.home / f"{name}.log"
    state_directory.keep(log, "")
    wrong = ""
    with log.open("a") as written:
        try:
            running = subprocess.Popen(
                asked,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # what it starts is ended with it
            )
        except OSError as error:
            wrong = f"cannot be run: {error.strerror}"
        else:
            wrong = _ended(context, running, seconds)
    return f"{asked[0]} {wrong}; what it said is in {log}" if wrong else ""


def _ended(context: Context, running: subprocess.Popen[bytes], seconds: float) -> str:
    """Wait for it, as long as nobody interrupts the run; what is wrong with how it ended."""
    deadline = time.monotonic() + seconds
    try:
        while (status := running.poll()) is None:
            if context.run and context.run.interrupted.wait(LOOK_SECONDS):
                return _cut_off(running, "was interrupted")
            if time.monotonic() > deadline:
                return _cut_off(running, f"did not end within {seconds} s")
            if not context.run:
                time.sleep(LOOK_SECONDS)
    except BaseException:
        _end(running)
        raise
    return f"exited {status}" if status else ""


def _cut_off(running: subprocess.Popen[bytes], why: str) -> str:
    _end(running)
    if running.poll() is None:
        return f"{why}, and runs on as another user: end process {running.pid} first"
    return f"{why}, and was ended with all that it had started"


def _end(running: subprocess.Popen[bytes]) -> None:
    """TERM for its whole group, then KILL for what is left of it; one of another user runs on."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            running.wait(END_SECONDS)


def answers(reach: Callable[[], Host]) -> bool:
    """Whether the host does after it; RefusedError where it lets nobody in: no waiting helps."""
    try:
        reach().run("true", timeout=10)
    except RefusedError:
        raise
    except UnreachableError:
        return False
    return True
