"""Control of a run at work: pause, abort, and the limit of the window.

Requests are files in the state directory, so that any terminal of the operator's machine will do,
also one that is not the run's. The run looks several times a second. What was asked, and what came
of it, is in the journal.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from migrate.cloud import apart
from migrate.engine import cloud_lock, state_directory, state_lock
from migrate.engine.journal import BEGUN
from migrate.errors import JournalError, MigrateError, StepError
from migrate.phases.session import Session
from migrate.takeover import going_live
from migrate.takeover.gate import reopen_timer

PAUSE, ABORT = "pause", "abort"
STOPPING, INTERRUPTING = "stopping after what runs now", "interrupting what runs"
LOOK_SECONDS = 0.3
ASK_SECONDS = 5.0
REMIND_SECONDS = 600.0
PAUSE_SECONDS = 24 * 3600.0


def ask(home: Path, what: str, reason: str = "") -> None:
    """Leave the request *what* for the run at work, or for the next one."""
    said = {
        "who": state_lock.myself(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "reason": reason,
    }
    state_directory.record(home / what, said)


def asked(home: Path, what: str) -> str:
    """Who asked for *what*, e.g. "ann@desk pid 7 at 2026-… (disk is slow)"; "" for nobody."""
    try:
        found = state_directory.recorded(home / what)
        told = f"{found['who']} at {found['at']}" + (found["reason"] and f" ({found['reason']})")
    except (OSError, KeyError, TypeError, JournalError):
        return "somebody" if (home / what).exists() else ""  # a file made by hand pauses as well
    return told


def withdraw(home: Path, what: str) -> bool:
    """Take the request *what* back; whether there was one."""
    return state_directory.forget(home / what)


def wait_while_paused(session: Session, so_far: str = "nothing was closed") -> float:
    """Return when nobody pauses the run any more; for how many seconds it was paused.

    StepError that tells how things are *so_far* when it was stopped meanwhile, or not resumed
    within a day.
    """
    who = asked(session.home, PAUSE)
    if not who:
        return 0.0
    wait = f"paused by {who}: `migrate resume` lets it go on, `migrate abort` ends the run"
    session.remark("pause", wait)
    began = reminded = time.monotonic()
    while asked(session.home, PAUSE):
        if session.cancellation.wait(LOOK_SECONDS):
            raise StepError(f"{session.cancellation.reason} while paused; {so_far}")
        now = time.monotonic()
        if now > began + PAUSE_SECONDS:
            raise StepError(f"paused by {who} for a day and not resumed; {so_far}")
        if now > reminded + REMIND_SECONDS:
            reminded = now
            session.tell(f"still waiting: {wait}")
    session.remark("pause", "resumed, going on")
    return time.monotonic() - began


@contextmanager
def watching(session: Session) -> Iterator[threading.Event]:
    """Heed `migrate abort` as long as the block runs, the window's limit once the event is set.

    A timer of before is another run's: it may have reopened the source, which this run closes anew.
    """
    window, limit = threading.Event(), Limit(session)
    with _looking(session, lambda: _heeded(session, window.is_set() and limit.reached())):
        yield window


@contextmanager
def stoppable(session: Session) -> Iterator[None]:
    """Heed `migrate abort` as Ctrl-C: what runs ends; asked once more, it is ended on the hosts."""
    with _looking(session, lambda: _stopped(session)):
        yield


@contextmanager
def _looking(session: Session, heeded: Callable[[], bool]) -> Iterator[None]:
    """Ask several times a second, until it was; a request of before is another run's."""
    if _is_of_before(session.home) and withdraw(session.home, ABORT):
        session.remark("abort", "a request of before this run was put away")
    over = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(session, over, heeded), name="control", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _is_of_before(home: Path) -> bool:
    """Whether a request to abort, if any, is older than the lock of the run at work.

    From that on others see a run that can be asked: it may still be asking many hosts.
    """
    try:
        return (home / ABORT).stat().st_mtime_ns <= (home / "lock").stat().st_mtime_ns
    except FileNotFoundError:
        return True


def _watch(session: Session, over: threading.Event, heeded: Callable[[], bool]) -> None:
    told = ""
    while not over.wait(LOOK_SECONDS):
        try:
            if heeded():
                return
        except Exception as error:  # an unread journal, a full disk, a bug: tried again, never deaf
            if told != (told := repr(error)):
                session.remark("control", f"cannot look for an abort or the limit: {told}")


def _heeded(session: Session, too_long: bool) -> bool:
    """Whether the run was told to go back."""
    who = asked(session.home, ABORT)
    if not who and not too_long:
        return False
    limit = session.context.settings.window.limit_seconds
    why = f"aborted by {who}" if who else f"the window took longer than {limit} s"
    passed = going_live.passed(session.journal)
    if not passed and session.cancellation.request(why, unless=going_live.POINT):
        session.remark("abort", why)
        with suppress(JournalError):  # a disk that takes nothing any more must not hinder it
            withdraw(session.home, ABORT)
        interrupt(session)
        return True
    if who:
        session.remark(
            "abort",
            f"refused to {who}: the virtual IP has moved, `migrate rollback --execute` goes back",
        )
        withdraw(session.home, ABORT)
    return False


def _stopped(session: Session) -> bool:
    """Whether there is nothing more to ask for."""
    if not (who := asked(session.home, ABORT)):
        return False
    again = session.cancellation.requested
    session.cancellation.request(why := f"aborted by {who}")
    session.remark("abort", f"{why}: {INTERRUPTING if again else STOPPING}")
    with suppress(JournalError):
        withdraw(session.home, ABORT)
    if again:
        interrupt(session)
    return again


def interrupt(session: Session) -> None:
    """End what the running steps have running on the hosts; `cloud_lock.resume` lets it go on.

    Nothing where the run goes back already: its steps have ended.
    """
    found: list[str] = []

    def act() -> None:
        try:
            found.extend(cloud_lock.interrupt(session.context))
        except Exception as error:  # the run was stopped all the same
            found.append(repr(error))

    session.cancellation.unless_ignored(act)
    for wrong in found:
        session.remark("interrupt", wrong)


class Limit:
    """When the run must go back by itself, by the source's clock; see `gate/reopen_timer.py`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._context = apart(session.context)  # the run's own connections may all be busy
        self._asked = self._until = 0.0
        self._error = ""

    def reached(self) -> bool:
        """Whether the window has lasted as long as it may; no more asked once it is disarmed."""
        if self._session.journal.state(going_live.DISARM) in BEGUN:
            return False
        now = time.monotonic()
        if now > self._asked + ASK_SECONDS:
            self._asked = now
            try:
                left = reopen_timer.left(self._context)
                self._until = now + left if left is not None else 0.0
            except StepError:
                self._until = now  # the source has reopened itself
            except Exception as error:  # it cannot be asked; what it said last holds
                if not isinstance(error, MigrateError) and repr(error) != self._error:
                    self._error = repr(error)
                    self._session.remark("control", f"the watch cannot be asked: {self._error}")
        return bool(self._until) and now >= self._until
