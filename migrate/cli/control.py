"""The commands for beside a run that is at work: hold, release and abort it, and look at it."""

from __future__ import annotations

import click

from migrate.cli.options import at_work, shared, stack_name, take_over
from migrate.cli.output import Progress, Screen
from migrate.cloud import apart, serving
from migrate.engine import state_lock
from migrate.engine.plan import Phase
from migrate.errors import JournalError, PreconditionError
from migrate.phases import abort as out
from migrate.phases import control, machines
from migrate.phases import status as now
from migrate.phases.session import context_of, opened
from migrate.verify import noticed


@click.command()
@shared
@click.option("--reason", default="", help="Why, for those who see it waiting.")
def hold(stack: str, as_json: bool, reason: str) -> None:
    """Let a cutover make all ready and then wait, before anything is closed, until `release`.

    Changes neither cloud: it leaves word for the cutover at work, or for the next one. Next:
    `migrate release`, or `migrate abort` to call it off.
    """
    screen = Screen(as_json=as_json)
    with opened(stack_name(stack), "hold", changes=False, tell=screen.remark) as session:
        if out.window_begun(session):
            raise PreconditionError(
                "the window is open already, there is nothing to hold: `migrate abort` undoes it"
            )
        control.ask(session.home, control.HOLD, reason)
        session.remark(
            "hold", f"asked by {state_lock.myself()}: the window does not open until released"
        )
        screen.answer(now.status(session))


@click.command()
@shared
def release(stack: str, as_json: bool) -> None:
    """Let a cutover that was held go into the window.

    Changes nothing itself; the cutover that waits goes on within a second. Next: watch it, or
    `migrate abort`.
    """
    screen = Screen(as_json=as_json)
    with opened(stack_name(stack), "release", changes=False, tell=screen.remark) as session:
        if control.withdraw(session.home, control.HOLD):
            session.remark("hold", f"released by {state_lock.myself()}")
        else:
            screen.say("nothing was held")
        screen.answer(now.status(session))


@click.command()
@shared
@take_over
def abort(stack: str, as_json: bool, take_over: bool) -> None:
    """Go back to the source from inside the window, at once. After it, `rollback` goes back.

    A cutover at work is told to, and ends; one that died is undone by this command. Changes both
    clouds back to what they were before the window. Next: `migrate status`.
    """
    screen = Screen(as_json=as_json)
    stack = stack_name(stack)
    with opened(stack, "status", changes=False) as session:
        if holder := state_lock.held_by(session.home):
            out.request(session, holder, screen.remark)
            screen.remark(f"Aborted: {serving.told(session.context)}.")
            screen.answer(now.status(session))
            return
    with at_work(screen, stack, "abort", changes=True, runs=True, take_over=take_over) as session:
        # the window's record of who did not answer goes on until somebody does
        with noticed.recording(session.context, noticed.CUTOVER, session.remark):
            out.abort(session, Progress(screen, session.plan.phase(Phase.CUTOVER)))
            screen.remark(f"The window was undone: {serving.told(session.context)}.")
        screen.answer(now.status(session, held=""))


@click.command()
@shared
def status(stack: str, as_json: bool) -> None:
    """Where the stack stands, who is at work on it, and what to do next. Always works.

    Reads the journal and asks the machines, each for a few seconds at most. Changes nothing.
    """
    screen = Screen(as_json=as_json)
    stack = stack_name(stack)
    try:
        with opened(stack, "status", changes=False) as session:
            found = now.status(session, ask=True)
            told = now.lines(found)
    except JournalError as error:  # the machines know, too
        seen = machines.look(apart(context_of(stack), machines.PATIENCE_SECONDS))
        found = {"stack": stack, "journal": str(error), "machines": seen}
        told = [f"journal: {error}", *machines.lines(seen)]
    for line in told:
        screen.remark(line)
    screen.answer(found)
