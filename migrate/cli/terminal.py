"""The operator's terminal, which may die or stand still, and the log that has what it did not show.

Everything is printed by a thread of its own: a terminal whose ssh session is gone raises, one that
was stopped with Ctrl-S blocks, and neither may stop the run. `run.log` in the state directory has
each line with its time (0600).
"""

import atexit
import io
import os
import queue
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from migrate.errors import MigrateError

LOG = "run.log"


class Terminal:
    """One for the process; what fails once, stdout or stderr, is shown nothing more.

    `lost` says why, by its number.
    """

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[int, Callable[[], object]]] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._log: TextIO | None = None
        self.lost: dict[int, BaseException] = {}

    def log_to(self, home: Path) -> None:
        """Append what is said to `run.log` in *home*; without room for it there is no log."""
        try:
            descriptor = os.open(home / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._log = os.fdopen(descriptor, "a", buffering=1, errors="replace")
        except OSError:
            self._log = None

    def log(self, text: str) -> None:
        if self._log is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            self._log.write("".join(f"{now} [{os.getpid()}] {line}\n" for line in text.split("\n")))
        except (OSError, ValueError):
            self._log = None

    def show(self, number: int, write: Callable[[], object]) -> None:
        """Have *write*, to file *number* 1 or 2, called by the printing thread; returns at once."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._print, name="terminal", daemon=True)
                self._thread.start()
                atexit.register(self.flush)
        self._waiting.put((number, write))

    def flush(self) -> None:
        """Return when all is shown; to be called where nothing waits for us any more."""
        self._waiting.join()

    def lose(self, number: int, error: BaseException) -> None:
        """Show nothing more on file *number*, for *error*."""
        self.lost[number] = error
        # Python itself flushes it when it ends, and would fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)

    def _print(self) -> None:
        while True:
            number, write = self._waiting.get()
            try:
                if number not in self.lost:
                    write()
                    (sys.stdout if number == 1 else sys.stderr).flush()
            except (OSError, ValueError) as error:
                self.lose(number, error)
            except Exception as error:  # what cannot be shown must not silence what comes after it
                self.log(f"not shown: {error!r}")
            finally:
                self._waiting.task_done()


TERMINAL = Terminal()
BROKEN_PIPE = 141  # what a shell says of a program that SIGPIPE has ended


def whole(code: int) -> int:
    """*code*, or another where stdout has not taken all that it was given."""
    error = TERMINAL.lost.get(1)
    if error is None:
        return code
    if isinstance(error, BrokenPipeError):
        return code or BROKEN_PIPE
    failure(
        MigrateError(
            f"the answer is not whole, stdout cannot be written: "
            f"{getattr(error, 'strerror', None) or error}; `migrate status` says how things stand"
        )
    )
    return code or MigrateError.exit_code


def stand_in() -> None:
    """Give each standard stream that came closed a file, which is empty and takes nothing.

    The next file that is opened, a journal perhaps, would have its number.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            empty = os.open(os.devnull, os.O_RDONLY)
            os.dup2(empty, number)
            if empty != number:
                os.close(empty)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):  # what it cannot show must not silence what comes after
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def failure(error: MigrateError) -> None:
    """What went wrong, and what was noted about how things are now."""
    notes = getattr(error, "__notes__", [])
    text = "\n".join([f"error: {error}", *(f"  {line}" for line in notes)])
    TERMINAL.log(text)
    TERMINAL.show(2, lambda: click.secho(text, fg="red", err=True))
