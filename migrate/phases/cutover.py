"""`migrate cutover`: the window. It ends with the target serving, or as if it had not been."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from migrate import markers
from migrate.errors import MigrateError, StepError
from migrate.gate import timer
from migrate.journal import State
from migrate.phases.follow import follow
from migrate.plan import Phase
from migrate.runner import Observer, Runner
from migrate.session import Session
from migrate.window import window

EXTEND_SECONDS = 5.0
POINT_OF_RELEASE = "vip.takeover"


def cutover(session: Session, notify: Observer) -> None:
    """Bring `follow` up to date, then go through the window.

    A failure before the virtual IP has moved reverts the window by itself: the source serves
    again and the same command may be run again. A failure after it leaves the target serving.
    """
    markers.refuse_after(session.context, "released")
    follow(session, notify)
    runner = session.runner(Phase.CUTOVER, notify=notify)
    try:
        with reopening_postponed(session):
            runner.advance()
    except MigrateError as error:
        if session.journal.state(POINT_OF_RELEASE) is State.DONE:
            raise StepError(
                f"{error}; the virtual IP has moved and the target serves: run the same command "
                "again to go on, or `migrate rollback` to go back"
            ) from error
        back(runner, error)


def back(runner: Runner, error: MigrateError) -> None:
    """Undo the window after *error* and raise StepError that says how things are now."""
    runner.stopping.clear()
    try:
        runner.retreat()
    except MigrateError as second:
        raise StepError(
            f"{error}; and going back failed too: {second}; repair that, then "
            "`migrate rollback --execute`; the timer on the source reopens it otherwise"
        ) from error
    raise StepError(f"{error}; the window was undone, the source serves as before") from error


@contextmanager
def reopening_postponed(session: Session) -> Iterator[None]:
    """Keep the source's reopen timer from firing for as long as this process is alive."""
    over = threading.Event()

    def extend() -> None:
        while not over.wait(EXTEND_SECONDS):
            if session.journal.state("gate.timer") is not State.DONE:
                continue
            if session.journal.state("gate.disarm") is not State.PENDING:
                return
            try:
                timer.extend(session.context)
            except MigrateError:
                continue  # the timer is there for the case that we cannot reach the source

    thread = threading.Thread(target=extend, name="reopen-timer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def summary(session: Session) -> str:
    """The window in a sentence, as the journal has it."""
    seen = window(session.journal)
    if seen is None:
        return "The journal does not hold the window: it was begun by another one."
    longest = sorted(seen.spans, key=lambda span: -span.seconds)[:4]
    told = ", ".join(f"{span.step} {span.seconds:.1f} s" for span in longest)
    return f"Window {seen.seconds:.1f} s; longest: {told}."
