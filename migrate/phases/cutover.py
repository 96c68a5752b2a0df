"""`migrate cutover`: the window. It ends with the target serving, or as if it had not been."""

import threading
import traceback
from collections.abc import Collection
from contextlib import suppress

from migrate.cloud import serving, wait
from migrate.engine import cloud_lock, markers
from migrate.engine.journal import BEGUN, State
from migrate.engine.plan import Phase, Step, longest_path
from migrate.engine.runner import Observer, Runner
from migrate.errors import LockedError, MigrateError, StepError
from migrate.phases import control, timings
from migrate.phases.follow import follow
from migrate.phases.session import Session
from migrate.takeover import going_live, hand_over, virtual_ip
from migrate.takeover.gate import close, reopen_timer
from migrate.verify import noticed, views

FRESH_SECONDS = 300.0
AGAIN_SECONDS = 20.0  # the source stays closed while the way back is tried again


def cutover(session: Session, notify: Observer, past: Collection[str] = ()) -> None:
    """Bring `follow` up to date, then go through the window, unless and until somebody pauses it.

    A window that was begun and broken off goes on with the source closed: every second counts,
    and `follow` would start the schema tools again. A failure before the virtual IP has moved
    reverts the window by itself: the source serves again and the same command may be run again.
    A failure after it leaves the target serving. After its end it does nothing: a run may have died
    between its last step and its report.
    """
    if _over(session):
        return
    session.runner(Phase.CUTOVER, past=past).refuse_unnamed()
    with control.watching(session) as opened:
        goes_on = _goes_on(session)
        if not goes_on:
            markers.refuse_when_live(session.context)
            follow(session, notify, past)
            while control.wait_while_paused(session) > FRESH_SECONDS:
                follow(session, notify, past)  # the cloud has served meanwhile
        with noticed.recording(session.context, noticed.CUTOVER, session.remark, anew=not goes_on):
            _through(session, _noticing(opened, notify), past)


def _goes_on(session: Session) -> bool:
    """Whether a window of this journal was broken off and the source is closed still."""
    if _ended(session) or session.journal.state(going_live.CLOSE) not in BEGUN:
        return False
    return close.closed(session.context, "users")


def _ended(session: Session) -> bool:
    """Whether this journal holds a window that came to its end, and was not gone back from."""
    state = session.journal.state
    return all(state(step.id) is State.DONE for step in session.plan.phase(Phase.CUTOVER))


def _over(session: Session) -> bool:
    """The same, and the machines say so too: released, with the virtual IP on the target."""
    context = session.context
    return _ended(session) and markers.live(context) and virtual_ip.carried(context)


def _through(session: Session, notify: Observer, past: Collection[str]) -> None:
    if not close.closed(session.context, "users"):
        # of a window that is over, undone by the reopen timer or another run: this one lists anew
        views.forget_users(session.context)
        views.forget(session.context)
    runner = session.runner(Phase.CUTOVER, notify=notify, past=past)
    try:
        runner.advance()
    except Exception as error:  # a bug, too, must not leave the cloud closed
        _keep_bug(session, error)
        if isinstance(error.__cause__, LockedError):
            raise error.__cause__ from error  # another run has taken over: it decides
        if going_live.may_have_passed(session.context, session.journal):
            raise StepError(
                f"{_describe(error)}; the virtual IP has moved and the target serves: run the same "
                "command again to go on, or `migrate rollback` to go back"
            ) from error
        back(session, runner, error)


def _noticing(opened: threading.Event, notify: Observer) -> Observer:
    """*notify*, and *opened* set as soon as the reopen timer of the window is armed."""

    def observe(step: Step, state: State, note: str) -> None:
        if step.id == going_live.ARM and state is State.DONE:
            opened.set()
        notify(step, state, note)

    return observe


def back(session: Session, runner: Runner, error: Exception) -> None:
    """Undo the window after *error* and raise StepError that says how things are now."""
    with session.cancellation.ignored():
        try:
            cloud_lock.resume(session.context)
            with suppress(MigrateError):  # what is needed of that host says so below
                reopen_timer.extend(session.context)
            # a server that died may be starting again
            wait.while_raising(MigrateError, runner.retreat, AGAIN_SECONDS, pause=2)
        except Exception as second:  # a bug, too, must say how things are
            _keep_bug(session, second)
            raise StepError(
                f"{_describe(error)}; and going back failed too: {_describe(second)}; repair that, "
                "then `migrate rollback --execute`; the watch on the source reopens it otherwise"
            ) from error
    raise StepError(
        f"{_describe(error)}; the window was undone, {serving.summary(session.context)}"
    ) from error


def _keep_bug(session: Session, error: Exception) -> None:
    """In the journal and for people, where *error* is none of ours."""
    if not isinstance(error, MigrateError):
        session.remark("bug", "".join(traceback.format_exception(error))[-2000:])


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, MigrateError) else f"a bug: {error!r}"


def summary(session: Session) -> str:
    """The window in a sentence, as the journal has it."""
    seen = going_live.window_of(session.journal)
    if seen is None:
        return "The journal does not hold the window: it was begun by another one."
    longest = sorted(seen.spans, key=lambda span: -span.seconds)[:4]
    told = ", ".join(f"{span.step} {span.seconds:.1f} s" for span in longest)
    foreseen = longest_path(timings.within(session))
    users = noticed.summary(session.home, noticed.CUTOVER)
    users = "; ".join(filter(None, (users, hand_over.told(session.context))))
    window = f"Window {seen.seconds:.1f} s, predicted {foreseen:.1f} s"
    return f"{window}; longest: {told}" + (f"; {users}." if users else ".")
