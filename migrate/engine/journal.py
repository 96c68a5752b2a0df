"""What has been done: an append-only SQLite record that outlives the process.

It says what was begun, for the way back, and what happened when, for people. It is never asked
whether a step is done: the machines are.
"""

import getpass
import os
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from migrate.engine import state_directory
from migrate.errors import JournalError

SCHEMA = """
CREATE TABLE run (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, command TEXT NOT NULL, who TEXT NOT NULL
) STRICT;
CREATE TABLE plan (
    seq INTEGER PRIMARY KEY, phase TEXT NOT NULL, fingerprint TEXT NOT NULL
) STRICT;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, run INTEGER NOT NULL,
    phase TEXT NOT NULL, step TEXT NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE TABLE remark (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, run INTEGER NOT NULL,
    kind TEXT NOT NULL, text TEXT NOT NULL
) STRICT;
"""


# what sqlite calls a disk that takes nothing: the journal itself is sound
UNWRITABLE = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN")
BUSY = "SQLITE_BUSY"


class State(StrEnum):
    PENDING = "pending"
    STARTED = "started"  # written before the first effect; found on resume = interrupted
    DONE = "done"
    FAILED = "failed"
    REVERTING = "reverting"
    REVERTED = "reverted"


BEGUN = frozenset({State.STARTED, State.DONE, State.FAILED, State.REVERTING})
FORWARDS = frozenset({State.STARTED, State.DONE})


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is seconds since the epoch; `note` is empty or the error's one line."""

    at: float
    run: int
    phase: str
    step: str
    state: State
    note: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What happened beside the steps: a lock taken over, an orphan ended, a hold, an abort."""

    at: float
    kind: str
    text: str


@dataclass(slots=True, eq=False)
class _Entry:
    """An event that is to be kept."""

    row: tuple[float, int, str, str, str, str]
    kept: bool = False


class Journal:
    """The record of one stack. Open it once a process; it may be used from several threads.

    With *reading* a folder that takes nothing will do: where there is no journal, none is made.
    """

    def __init__(self, path: Path, command: str = "", *, reading: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._waiting: deque[_Entry] = deque()
        with self._readable():
            if not reading:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            nothing = reading and (not path.exists() or not path.stat().st_size)
            self._db = sqlite3.connect(
                ":memory:" if nothing else path, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA synchronous = FULL")
            if self._format() == 0:
                self._make()
            state_directory.refuse_other(path, self._format())
            self._run = 0
            if command:
                who = f"{getpass.getuser()}@{socket.gethostname()} pid {os.getpid()}"
                row = "INSERT INTO run (at, command, who) VALUES (?, ?, ?)"
                try:
                    self._run = self._db.execute(row, (time.time(), command, who)).lastrowid or 0
                except sqlite3.Error as error:  # a full disk forbids no way back
                    if not _named(error, *UNWRITABLE):
                        raise

    def _format(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _make(self) -> None:
        """The tables, unless another process makes them at the same instant."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if self._format():
                return
            if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise JournalError(f"{self.path} is a database, but not a journal of migrate")
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={state_directory.FORMAT}")

    def resume(self, phase: str, fingerprint: str, begun: Callable[[], bool]) -> None:
        """Note which plan *phase* runs; refuse another one where steps of it stand *begun*."""
        with self._lock, self._readable():
            row = self._db.execute(
                "SELECT fingerprint FROM plan WHERE phase = ? ORDER BY seq DESC LIMIT 1", (phase,)
            ).fetchone()
        if row and row[0] == fingerprint:
            return
        if row and begun():  # all events are read for it
            raise JournalError(
                f"{phase} was begun with another plan ({row[0]}, now {fingerprint}): finish or "
                "roll back with the program and stack file that began it"
            )
        with self._lock, self._readable():
            self._db.execute(
                "INSERT INTO plan (phase, fingerprint) VALUES (?, ?)", (phase, fingerprint)
            )

    def state(self, step_id: str) -> State:
        """The last recorded state; PENDING where nothing is recorded."""
        with self._lock, self._readable():
            row = self._db.execute(
                "SELECT state FROM event WHERE step = ? ORDER BY seq DESC LIMIT 1", (step_id,)
            ).fetchone()
        return State(row[0]) if row else State.PENDING

    def record(self, phase: str, step_id: str, state: State, note: str = "") -> None:
        """Append one event; it is on the disk when this returns.

        What others wish to append while one waits for the disk goes there together, after it.
        """
        mine = _Entry((time.time(), self._run, phase, step_id, state.value, note[:2000]))
        self._waiting.append(mine)
        with self._lock, self._readable():
            if not mine.kept:
                self._keep(mine)

    def _keep(self, mine: _Entry) -> None:
        """*mine* and all that wait; where that fails each is tried alone by who brought it."""
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._write(waiting if mine in waiting else [mine, *waiting])
        except sqlite3.Error:
            if waiting in ([], [mine]):
                raise
            self._write([mine])

    def _write(self, entries: list[_Entry]) -> None:
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT INTO event (at, run, phase, step, state, note) VALUES (?, ?, ?, ?, ?, ?)",
                [one.row for one in entries],
            )
        for one in entries:
            one.kept = True

    def events(self, phase: str = "") -> list[Event]:
        """All events in order, of *phase* or of all."""
        with self._lock, self._readable():
            rows = self._db.execute(
                "SELECT at, run, phase, step, state, note FROM event "
                "WHERE ? IN ('', phase) ORDER BY seq",
                (phase,),
            ).fetchall()
        return [
            Event(at, run, ph, step, State(state), note) for at, run, ph, step, state, note in rows
        ]

    def states(self, phase: str = "") -> dict[str, State]:
        """The last recorded state of every step of *phase*, or of all; the first begun first."""
        return {event.step: event.state for event in self.events(phase)}

    def begun(self, phase: str = "") -> list[str]:
        """The steps of *phase*, or of all, that were begun and not undone, in order."""
        return [step for step, state in self.states(phase).items() if state in BEGUN]

    def entered(self, phase: str) -> list[str]:
        """The steps of `begun` that a run forwards has begun, in order.

        A way back over a phase that never was notes its steps too, and may have been killed.
        """
        forwards = {one.step for one in self.events(phase) if one.state in FORWARDS}
        return [step for step in self.begun(phase) if step in forwards]

    def remark(self, kind: str, text: str) -> None:
        """Append what is no step's event; it never makes a journal one that knows the steps."""
        with self._lock, self._readable():
            self._db.execute(
                "INSERT INTO remark (at, run, kind, text) VALUES (?, ?, ?, ?)",
                (time.time(), self._run, kind, text[:2000]),
            )

    def remarks(self) -> list[Remark]:
        """All remarks in order."""
        with self._lock, self._readable():
            rows = self._db.execute("SELECT at, kind, text FROM remark ORDER BY seq").fetchall()
        return [Remark(*row) for row in rows]

    def is_empty(self) -> bool:
        """Whether no step was ever begun, as in a new or a lost journal."""
        return not self.events()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise state_directory.unwritten(self.path, error.strerror or str(error)) from error
        except (sqlite3.Error, ValueError) as error:
            if _named(error, *UNWRITABLE):
                raise state_directory.unwritten(self.path, str(error)) from error
            if _named(error, BUSY):
                raise JournalError(
                    f"{self.path} is held by another program; when it is done, the same again"
                ) from error
            raise JournalError(
                f"{self.path}: {error}; the machines know what is done, so after a look the file "
                "may be moved aside and the command run again"
            ) from error


def _named(error: Exception, *names: str) -> bool:
    """Whether sqlite calls *error* by one of *names*."""
    return getattr(error, "sqlite_errorname", "").startswith(names)
