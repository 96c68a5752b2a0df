"""The commands beside a run that is at work: pause, resume and abort it, and look at it."""

from migrate.cli.at_work import at_work
from migrate.cli.output import Progress, Screen
from migrate.cloud import serving
from migrate.engine import state_lock
from migrate.engine.plan import Phase
from migrate.errors import JournalError, PreconditionError
from migrate.phases import abort, control, status
from migrate.phases.session import context_of, opened
from migrate.verify import noticed


def run_pause(screen: Screen, stack: str, *, reason: str) -> None:
    with opened(stack, "pause", changes=False, notes=True, tell=screen.remark) as session:
        if abort.window_open(session):
            raise PreconditionError(
                "the window is open already, there is nothing to pause: `migrate abort` undoes it"
            )
        control.ask(session.home, control.PAUSE, reason)
        session.remark(
            "pause",
            f"asked by {state_lock.myself()}: no window opens, and no further batch of compute "
            "hosts begins, until it is resumed",
        )
        screen.answer(status.status(session))


def run_resume(screen: Screen, stack: str) -> None:
    with opened(stack, "resume", changes=False, notes=True, tell=screen.remark) as session:
        if control.withdraw(session.home, control.PAUSE):
            session.remark("pause", f"resumed by {state_lock.myself()}")
        else:
            screen.say("nothing was paused")
        screen.answer(status.status(session))


def run_abort(screen: Screen, stack: str, *, take_over: bool, os_cloud: str) -> None:
    with opened(stack, "status", changes=False, notes=True, os_cloud=os_cloud) as session:
        if holder := state_lock.held_by(session.home):
            screen.remark(abort.request(session, holder, screen.remark))
            screen.answer(status.status(session))
            return
    with at_work(
        screen, stack, "abort", changes=True, take_over=take_over, os_cloud=os_cloud
    ) as session:
        # the window's record of who did not answer goes on until somebody does
        with noticed.recording(session.context, noticed.CUTOVER, session.remark):
            abort.abort(session, Progress(screen, session.plan.phase(Phase.CUTOVER)))
            screen.remark(f"The window was undone: {serving.summary(session.context)}.")
        screen.answer(status.status(session, held=""))


def run_status(screen: Screen, stack: str) -> None:
    try:
        with opened(stack, "status", changes=False) as session:
            found = status.status(session, ask=True)
    except JournalError as error:
        found = status.unread(context_of(stack), str(error))
    for line in status.lines(found):
        screen.remark(line)
    screen.answer(found)
