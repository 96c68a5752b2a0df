"""`migrate abort`: out of the window and back to the source, by the run at work or in its place.

A run that brings compute hosts over only ends: each host has its own way back.
"""

from collections.abc import Callable
from typing import Any

from migrate.cloud import serving, wait
from migrate.engine import markers, state_lock
from migrate.engine.plan import Phase
from migrate.engine.runner import Observer
from migrate.errors import PreconditionError, StepError
from migrate.phases import control
from migrate.phases.control import ABORT
from migrate.phases.rollback import rollback
from migrate.phases.session import Session
from migrate.takeover import going_live
from migrate.takeover.gate.reopen_timer import BACK_SECONDS

NOTICE_SECONDS = 20.0
STOPPED = CUTOVER, SETTLE = "cutover", "settle"
STAYS = (
    "What it has begun ends first; `migrate abort` once more interrupts it. The same command goes "
    "on, and `migrate settle --back --host NAME --execute` puts a host back"
)


def request(session: Session, holder: dict[str, Any], tell: Callable[[str], None]) -> str:
    """Ask the run at work to stop: what came of it. PreconditionError where it is none for that.

    A cutover goes back, and has when this returns; a settle ends what it has begun. *holder* is
    what `lock.held_by` said.
    """
    named = "{who}, at work on {command} since {since}".format(**holder)
    if holder["command"] not in STOPPED:
        raise PreconditionError(
            f"only {' and '.join(STOPPED)} can be aborted; {named}: Ctrl-C there stops it"
        )
    if holder["command"] == CUTOVER:
        _refuse_moved(session)
    control.ask(session.home, ABORT)
    tell(f"asked {named}; waiting until it has noticed")
    wait.until(
        lambda: not (control.asked(session.home, ABORT) and state_lock.held_by(session.home)),
        NOTICE_SECONDS,
        f"{named}, has not noticed yet, and does once all hosts have let it in. If it never does, "
        "end it (kill -9), then `migrate abort` again",
    )
    last = [one.text for one in session.journal.remarks() if one.kind == ABORT]
    if holder["command"] == SETTLE:
        return f"{last[-1] if last else named}. {STAYS}"
    _await_back(session, named, refused=bool(last) and last[-1].startswith("refused"))
    return f"Aborted: {serving.summary(session.context)}."


def _await_back(session: Session, named: str, *, refused: bool) -> None:
    if refused:
        _refuse_moved(session, sure=True)
    wait.until(
        lambda: not state_lock.held_by(session.home),
        BACK_SECONDS,
        f"{named}, is still going back; see `migrate status`",
    )
    if begun := session.journal.begun(Phase.CUTOVER):
        raise StepError(
            f"going back did not end: {', '.join(begun[:5])} still begun; repair what "
            "`migrate status` names, then `migrate abort` again"
        )


def abort(session: Session, notify: Observer) -> None:
    """Undo the window that a run which died has left open; also without its journal."""
    _refuse_moved(session)
    if markers.live(session.context):
        _refuse_moved(session, sure=True)
    if not session.journal.is_empty() and not session.journal.begun(Phase.CUTOVER):
        raise PreconditionError("no window is open: there is nothing to abort")
    session.remark(
        "abort", f"undoing the window in the place of a run that died: {state_lock.myself()}"
    )
    with session.cancellation.ignored():
        rollback(session, notify, (Phase.CUTOVER,))


def window_open(session: Session) -> bool:
    """Whether the source is closed or about to be, as the journal has it."""
    begun = going_live.ARM in session.journal.entered(Phase.CUTOVER)
    return begun and not going_live.passed(session.journal)


def _refuse_moved(session: Session, *, sure: bool = False) -> None:
    if sure or going_live.passed(session.journal):
        raise PreconditionError(
            "the virtual IP has moved and the target serves: `migrate rollback --execute` goes "
            "back and names what would be lost"
        )
