"""The commands of the window and after it: cutover, verify, accept, rollback."""

import sys
from contextlib import suppress
from typing import Any

import click

from migrate import checks
from migrate.cli import findings, report
from migrate.cli.at_work import at_work
from migrate.cli.options import refuse_unconfirmed
from migrate.cli.output import Progress, Screen
from migrate.cli.terminal import TERMINAL
from migrate.cloud import pulumi, serving
from migrate.engine.finding import filled
from migrate.engine.plan import Phase
from migrate.errors import JournalError, PreconditionError
from migrate.phases import (
    accept,
    cutover,
    no_return,
    readiness,
    rehearse,
    rollback,
    status,
    timings,
    verify,
)
from migrate.phases.session import Session, context_of
from migrate.verify import noticed


def run_cutover(
    screen: Screen,
    stack: str,
    *,
    execute: bool,
    take_over: bool,
    os_cloud: str,
    confirm: str,
    past: tuple[str, ...],
) -> None:
    # what asks no machine comes before all that does
    readiness.require_path(context_of(stack, os_cloud=os_cloud))
    if execute:
        _require_confirmed(stack, confirm)
        pulumi.require()
    with at_work(
        screen, stack, "cutover", changes=execute, take_over=take_over, os_cloud=os_cloud
    ) as session:
        session.refuse_unknown(past, Phase.FOLLOW, Phase.CUTOVER)
        steps = session.plan.phase(Phase.FOLLOW, Phase.CUTOVER)
        begun = readiness.begun(session.context) if execute else False
        if not begun:
            screen.findings(filled(rehearse.remarks(session.context), check="rehearsal"))
        if not execute:
            screen.would(steps)
            return
        if not begun:  # else the cloud is closed: every second counts
            _refuse_changes(stack)
            findings.refuse_again(screen, session, checks.QUICK)
        cutover.cutover(session, Progress(screen, steps), past)
        path = report.write_report(session)
        screen.timings("the cutover, step by step", timings.of(session, Phase.CUTOVER))
        screen.say(f"[green]The target serves.[/] {cutover.summary(session)}; report: {path}")
        screen.answer(_with_noticed(session))


def run_verify(screen: Screen, stack: str, *, take_over: bool, os_cloud: str) -> None:
    with at_work(
        screen, stack, "verify", changes=True, runs=False, take_over=take_over, os_cloud=os_cloud
    ) as session:
        result = verify.verify(session)
        screen.findings(result.findings)
        for line in result.lines:
            screen.say(line)
        report.write_report(session)
        screen.answer(result.document)
        findings.refuse_errors(screen, list(result.findings))


def run_accept(screen: Screen, stack: str, *, execute: bool, take_over: bool) -> None:
    with at_work(screen, stack, "accept", changes=execute, take_over=take_over) as session:
        steps = session.plan.phase(Phase.ACCEPT)
        if not execute:
            screen.would(steps)
            return
        accept.accept(session, Progress(screen, steps))
        screen.say("[green]Accepted.[/] Going back now loses what is done to shared volumes.")
        screen.answer(status.status(session, held=""))


def run_rollback(
    screen: Screen,
    stack: str,
    *,
    execute: bool,
    take_over: bool,
    os_cloud: str,
    accept_losses: bool,
) -> None:
    with at_work(
        screen,
        stack,
        "rollback",
        changes=execute,
        take_over=take_over,
        os_cloud=os_cloud,
    ) as session:
        no_return.refuse(session.context, session.journal)
        losses = rollback.foreseen(session)
        screen.losses(losses)
        if not execute:
            undone = rollback.undone(session)
            screen.would_undo(undone, lost=session.journal.is_empty())
            screen.answer({"losses": losses.document, "would_undo": [step.id for step in undone]})
            return
        if losses and not accept_losses:
            raise PreconditionError(
                f"going back would lose what was written on the target ({losses.summary()}), all "
                f"of it in {session.home / rollback.FILE}: add --accept-losses to give it up"
            )
        with rollback.noticing(session):
            rollback.rollback(session, Progress(screen, session.plan.phase(*rollback.UNDONE)))
            screen.remark(f"Back: {serving.summary(session.context)}.")
        with suppress(OSError, JournalError):  # no report is no reason to call it failed
            report.write_report(session)
        screen.answer(_with_noticed(session))


def _with_noticed(session: Session) -> dict[str, Any]:
    """How the stack stands, and what users noticed of the way there."""
    return {**status.status(session, held=""), "noticed": noticed.kept(session.home)}


def _require_confirmed(stack: str, confirm: str) -> None:
    if not confirm and sys.stdin.isatty():
        TERMINAL.flush()
        confirm = click.prompt(
            f"This closes the cloud's APIs. Type the stack's name ({stack})", err=True
        )
    refuse_unconfirmed(stack, confirm)


def _refuse_changes(stack: str) -> None:
    if changes := pulumi.changes(stack):
        raise PreconditionError(
            f"a preview shows changes ({', '.join(changes[:8])}): run `pulumi up` first"
        )
