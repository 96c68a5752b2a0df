"""The `migrate` command. Parses, calls, prints; decides nothing."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any

import click

from migrate import checks
from migrate.checks import access
from migrate.checks.check import Check
from migrate.cli import control
from migrate.cli.options import (
    at_work,
    execute,
    past,
    refuse_missing,
    shared,
    stack_name,
    take_over,
)
from migrate.cli.output import (
    Progress,
    Screen,
    failure,
    finding_document,
    longest_path,
    plan_document,
)
from migrate.cli.report import write_report
from migrate.cli.terminal import TERMINAL
from migrate.cloud import pulumi, serving
from migrate.engine.finding import Finding, Severity
from migrate.engine.plan import Phase, Plan
from migrate.errors import (
    JournalError,
    MigrateError,
    PreconditionError,
    SettingsError,
    UnreachableError,
)
from migrate.phases import accept as word
from migrate.phases import cutover as over
from migrate.phases import follow as ready
from migrate.phases import readiness, verify
from migrate.phases import rollback as back
from migrate.phases import status as now
from migrate.phases.session import Session, context_of, opened
from migrate.storage import backup as stored
from migrate.storage.backup import store as place
from migrate.verify import noticed

EPILOG = (
    "Without --execute a command changes nothing, except verify, which makes and deletes a server, "
    "and hold, release and abort, which act on a cutover that was begun with it. Exit codes: "
    "2 wrong input, 3 not ready, 4 a step failed, 5 no way back, 6 journal, 7 another run is at "
    "work, 8 a host cannot be reached."
)
# the first line of a plan, and of the README
SCOPE = (
    "This moves a cloud with one controller of OpenStack 2025.1 from Debian 13's packages, with "
    "Open vSwitch, IPv4, HAProxy and keepalived, to one controller of 2026.1; `migrate check` "
    "refuses what it cannot move."
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sidestep")
def migrate() -> None:
    """Move a running OpenStack cloud to a new release, side by side, with a way back.

    The usual order: pulumi up, then plan, check, backup, follow, cutover, verify, accept;
    `pulumi destroy` goes back.
    """


@migrate.command()
@shared
def plan(stack: str, as_json: bool) -> None:
    """Show every step, its impact, its way back and about how long it takes. Asks no machine.

    What users notice is in the column `impact`; steps that do not need each other run side by
    side. Changes nothing. Next: `migrate check`.
    """
    screen = Screen(as_json=as_json)
    with opened(stack_name(stack), "plan", changes=False) as session:
        readiness.require_path(session.context)
        screen.say(SCOPE)
        screen.plan(session.plan, f"{session.context.stack}: {_hop(session)}")
        window = session.plan.phase(Phase.CUTOVER)
        screen.say(
            f"The window: {len(window)} steps, about {longest_path(window):.0f} s along the "
            "longest chain, by figures measured in the lab."
        )
        screen.answer(plan_document(session.plan))


@migrate.command()
@shared
def check(stack: str, as_json: bool) -> None:
    """Find what would break, all of it at once, each with a remedy.

    Asks every host of both clouds over ssh and the source's APIs, and changes nothing there. On the
    target the next release's migrations are tried over empty copies of the source's databases, gone
    afterwards. Errors forbid to go on (exit code 3), warnings are for you to judge. Next:
    mend and check again until it says ready, then `migrate backup --execute`.
    """
    screen = Screen(as_json=as_json)
    stack = stack_name(stack)
    refuse_missing(stack)
    found = checks.run(context_of(stack))
    screen.findings(found)
    screen.answer([finding_document(f) for f in found])
    _refuse_errors(screen, found)


@migrate.command()
@shared
@execute
@take_over
@click.option("--to", default="", help="file:// or s3:// URL; default: `backup` of the stack file.")
def backup(stack: str, as_json: bool, execute: bool, take_over: bool, to: str) -> None:
    """Store databases, configuration and package lists, then prove them by restoring them.

    It is restored on the target, into a private server that is gone afterwards; nothing else
    changes on either cloud. The way back does not need it, a lost data centre does. Next:
    `migrate follow --execute`.
    """
    screen = Screen(as_json=as_json)
    with at_work(
        screen, stack_name(stack), "backup", changes=execute, runs=False, take_over=take_over
    ) as session:
        url = to or session.context.settings.backup
        if not url:
            raise SettingsError("no place for the backup: set sidestep:backup or give --to")
        place.at(url)  # a place that cannot be is told before the day on which it is needed
        if not execute:
            screen.say(f"would back up every service of the source to {url}; add --execute")
            return
        manifest = stored.back_up(session.context, url)
        differences = stored.restore_proof(session.context, url)
        if differences:
            told = "; ".join(str(difference) for difference in differences[:10])
            raise PreconditionError(
                f"the backup at {url} does not restore to what the source is: {told}"
            )
        screen.say(f"[green]stored and restored, equal:[/] {url}, {len(manifest['files'])} files")
        screen.answer(manifest)


@migrate.command()
@shared
@execute
@take_over
@past
def follow(
    stack: str, as_json: bool, execute: bool, take_over: bool, past: tuple[str, ...]
) -> None:
    """Make the target ready while the source serves: configuration, keys, images. Repeatable.

    Changes the target; on the source a transfer key and a record of it are added. Run it again
    whenever you like: it brings what has changed since. Next: `migrate cutover`, when your users
    know of it.
    """
    screen = Screen(as_json=as_json)
    stack = stack_name(stack)
    readiness.require_path(context_of(stack))  # before any machine is asked
    with at_work(
        screen, stack, "follow", changes=execute, runs=True, take_over=take_over
    ) as session:
        steps = session.plan.phase(Phase.FOLLOW)
        if not execute:
            _would(screen, steps)
            return
        if not readiness.begun(session.context):  # else the checks would tell just that
            _refuse_findings(screen, session, checks.TARGET)
        ready.follow(session, Progress(screen, steps), past)
        screen.answer(now.status(session, held=""))


@migrate.command()
@shared
@execute
@take_over
@click.option("--confirm", default="", metavar="STACK", help="The stack's name, instead of asking.")
@past
def cutover(
    stack: str,
    as_json: bool,
    execute: bool,
    take_over: bool,
    confirm: str,
    past: tuple[str, ...],
) -> None:
    """The window: close, fence, copy, compare, upgrade, start, take the virtual IP over.

    Refuses unless a preview made now shows no change and the quick ones of the checks find
    nothing. Changes both clouds: users' calls get 503 until the target serves; their servers
    keep running. A failure before the virtual IP has moved is undone by itself, and the same
    command begins again. Next: `migrate verify`; the way back is `migrate rollback --execute` or
    `pulumi destroy`.
    """
    screen = Screen(as_json=as_json)
    stack = stack_name(stack)
    readiness.require_path(context_of(stack))  # what asks no machine comes before all that does
    if execute:
        _require_word(stack, confirm)
        pulumi.require()
    with at_work(
        screen, stack, "cutover", changes=execute, runs=True, take_over=take_over
    ) as session:
        steps = session.plan.phase(Phase.FOLLOW, Phase.CUTOVER)
        if not execute:
            _would(screen, steps)
            return
        if not readiness.begun(session.context):  # else the cloud is closed: every second counts
            _refuse_changes(stack)
            _refuse_findings(screen, session, checks.QUICK)
        over.cutover(session, Progress(screen, steps), past)
        path = write_report(session)
        screen.say(f"[green]The target serves.[/] {over.summary(session)}; report: {path}")
        screen.answer(_with_noticed(session))


@migrate.command("verify")
@shared
@take_over
def prove(stack: str, as_json: bool, take_over: bool) -> None:
    """Prove through the virtual IP that all is there and works. Boots a server, deletes it.

    What the APIs show of every project is listed again and compared field by field with the list
    from the window; tokens from before are tried. Changes nothing else. Next: `migrate status`, and
    leave the old controllers running.
    """
    screen = Screen(as_json=as_json)
    with at_work(
        screen, stack_name(stack), "verify", changes=True, runs=False, take_over=take_over
    ) as session:
        result = verify.verify(session)
        screen.findings(result.findings)
        for line in result.lines:
            screen.say(line)
        write_report(session)
        screen.answer(result.document)
        _refuse_errors(screen, list(result.findings))


@migrate.command()
@shared
@execute
@take_over
def accept(stack: str, as_json: bool, execute: bool, take_over: bool) -> None:
    """Say that the target stays: users may delete and change volumes on shared storage again.

    Changes the target's cinder only. Going back stays possible, but what is done to shared volumes
    from now on is lost with it. Next: `migrate status`.
    """
    screen = Screen(as_json=as_json)
    with at_work(
        screen, stack_name(stack), "accept", changes=execute, runs=True, take_over=take_over
    ) as session:
        steps = session.plan.phase(Phase.ACCEPT)
        if not execute:
            _would(screen, steps)
            return
        word.accept(session, Progress(screen, steps))
        screen.say("[green]Accepted.[/] Going back now loses what is done to shared volumes.")
        screen.answer(now.status(session, held=""))


@migrate.command()
@shared
@execute
@take_over
@click.option("--accept-losses", is_flag=True, help="Give up what was written on the target.")
def rollback(
    stack: str, as_json: bool, execute: bool, take_over: bool, accept_losses: bool
) -> None:
    """Go back to the source as it was at the fence; names what was written since.

    Changes both clouds: the target is stopped, the virtual IP goes home, and the source is opened
    only when its data equals its fingerprint. The target's machines stay. Safe to run again after
    a crash. Next: `migrate status`; `pulumi destroy` does the same and takes the target away.
    """
    screen = Screen(as_json=as_json)
    with at_work(
        screen, stack_name(stack), "rollback", changes=execute, runs=True, take_over=take_over
    ) as session:
        steps = session.plan.phase(*back.UNDONE)
        losses = back.losses(session)
        screen.losses(losses)
        if not execute:
            screen.say(f"would undo {len(steps)} steps, last first; add --execute")
            screen.answer({"losses": losses.document})
            return
        if losses and not accept_losses:
            raise PreconditionError(
                f"going back would lose what was written on the target ({losses.told()}), all of "
                f"it in {session.home / back.FILE}: add --accept-losses to give it up"
            )
        with back.noticing(session):
            back.rollback(session, Progress(screen, steps))
            screen.remark(f"Back: {serving.told(session.context)}.")
        with suppress(OSError, JournalError):  # no report is no reason to call it failed
            write_report(session)
        screen.answer(_with_noticed(session))


def _with_noticed(session: Session) -> dict[str, Any]:
    """How the stack stands, and what users noticed of the way there."""
    return {**now.status(session, held=""), "noticed": noticed.kept(session.home)}


def _hop(session: Session) -> str:
    return f"{session.context.source.release} to {session.context.target.release}"


def _would(screen: Screen, steps: Plan) -> None:
    screen.plan(steps, "would do, in this order")
    screen.say("Nothing was changed; add --execute.")
    screen.answer(plan_document(steps))


def _require_word(stack: str, confirm: str) -> None:
    if not confirm and sys.stdin.isatty():
        TERMINAL.flush()
        confirm = click.prompt(f"This closes the cloud's APIs. Type the stack's name ({stack})")
    if confirm != stack:
        raise SettingsError(f"not confirmed: give --confirm {stack}")


def _refuse_changes(stack: str) -> None:
    if changes := pulumi.changes(stack):
        raise PreconditionError(
            f"a preview shows changes ({', '.join(changes[:8])}): run `pulumi up` first"
        )


def _refuse_findings(screen: Screen, session: Session, asked: tuple[Check, ...]) -> None:
    """Ask some of the checks again: something may have changed since `migrate check`."""
    found = checks.run(session.context, asked)
    screen.findings(found)
    if shut := [f for f in found if f.check == access.NAME and f.severity is Severity.ERROR]:
        raise UnreachableError(_told(shut), shut[0].where)
    _refuse_errors(screen, found)


def _refuse_errors(screen: Screen, found: list[Finding]) -> None:
    if errors := [finding for finding in found if finding.severity is Severity.ERROR]:
        raise PreconditionError(_told(errors))
    screen.say(f"[green]ready:[/] nothing forbids to go on ({len(found)} remarks)")


def _told(errors: list[Finding]) -> str:
    """The first of *errors* with its remedy in one line, and how many more were shown above."""
    first = errors[0]
    where = f"{first.where}: " if not first.message.startswith(first.where) else ""
    more = f" (and {len(errors) - 1} more, see above)" if len(errors) > 1 else ""
    return f"{where}{first.message}. {first.remedy}{more}"


for _one in (control.hold, control.release, control.abort, control.status):
    migrate.add_command(_one)


@migrate.result_callback()
def _shown(_: object) -> None:
    """A command has ended when all that it said is on the screen."""
    TERMINAL.flush()


def main() -> None:
    """Run the command line; one line per intended error, a traceback only for a bug."""
    code = 0
    logging.getLogger().addHandler(logging.NullHandler())  # what libraries warn of, errors tell
    try:
        migrate.main(standalone_mode=False)
    except click.exceptions.Abort:
        TERMINAL.show(2, lambda: click.echo("stopped", err=True))
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except MigrateError as error:
        failure(error)
        code = error.exit_code
    TERMINAL.flush()
    sys.exit(code)


if __name__ == "__main__":
    main()
