"""The `migrate` command. Parses, calls, prints; decides nothing."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from migrate import backup as stored
from migrate import checks
from migrate import stack as pulumi_stack
from migrate.checks.finding import Finding, Severity
from migrate.errors import MigrateError, PreconditionError, SettingsError
from migrate.phases import cutover as over
from migrate.phases import follow as ready
from migrate.phases import proof
from migrate.phases import rollback as back
from migrate.phases import status as now
from migrate.plan import Phase, Plan
from migrate.report import write_report
from migrate.runner import Runner
from migrate.session import Session, context_of, opened
from migrate.show import Progress, Screen, longest_path, plan_document

Command = Callable[..., Any]

EPILOG = (
    "Nothing changes without --execute. Exit codes: 2 wrong input, 3 not ready, 4 a step failed, "
    "5 no way back, 6 journal, 7 another run is at work, 8 a host cannot be reached."
)


def shared(command: Command) -> Command:
    """The options that every command has."""
    command = click.option("--json", "as_json", is_flag=True, help="Answer as JSON on stdout.")(
        command
    )
    return click.option(
        "--stack", default="", help="The stack; default: the one selected in Pulumi."
    )(command)


execute = click.option(
    "--execute", is_flag=True, help="Do it. Without this, show what would be done."
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sidestep")
def migrate() -> None:
    """Move a running OpenStack cloud to a new release, side by side, with a way back.

    The usual order: pulumi up, then plan, check, backup, follow, cutover, verify;
    `pulumi destroy` goes back.
    """


@migrate.command()
@shared
def plan(stack: str, as_json: bool) -> None:
    """Show every step, its impact, its way back and about how long it takes. Asks no machine."""
    screen = Screen(as_json=as_json)
    with opened(_stack(stack), "plan", changes=False) as session:
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
    """Find what would break, all of it at once, each with a remedy. Changes nothing."""
    screen = Screen(as_json=as_json)
    found = checks.run(context_of(_stack(stack)))
    screen.findings(found)
    screen.answer([_finding(f) for f in found])
    _refuse_errors(screen, found)


@migrate.command()
@shared
@execute
@click.option("--to", default="", help="file:// or s3:// URL; default: `backup` of the stack file.")
def backup(stack: str, as_json: bool, execute: bool, to: str) -> None:
    """Store databases, configuration and package lists, then prove them by restoring them."""
    screen = Screen(as_json=as_json)
    with opened(_stack(stack), "backup", changes=execute) as session:
        url = to or session.context.settings.backup
        if not url:
            raise SettingsError("no place for the backup: set sidestep:backup or give --to")
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
def follow(stack: str, as_json: bool, execute: bool) -> None:
    """Make the target ready while the source serves: configuration, keys, images. Repeatable."""
    screen = Screen(as_json=as_json)
    with opened(_stack(stack), "follow", changes=execute) as session:
        steps = session.plan.phase(Phase.FOLLOW)
        if not execute:
            _would(screen, steps)
            return
        with _interruptible():
            ready.follow(session, Progress(screen, steps))
        screen.answer(now.status(session, held=""))


@migrate.command()
@shared
@execute
@click.option("--confirm", default="", metavar="STACK", help="The stack's name, instead of asking.")
def cutover(stack: str, as_json: bool, execute: bool, confirm: str) -> None:
    """The window: close, fence, copy, compare, upgrade, start, take the virtual IP over."""
    screen = Screen(as_json=as_json)
    with opened(_stack(stack), "cutover", changes=execute) as session:
        steps = session.plan.phase(Phase.FOLLOW, Phase.CUTOVER)
        if not execute:
            _would(screen, steps)
            return
        name = session.context.stack
        if not confirm and sys.stdin.isatty():
            confirm = click.prompt(f"This closes the cloud's APIs. Type the stack's name ({name})")
        if confirm != name:
            raise SettingsError(f"not confirmed: give --confirm {name}")
        if changes := pulumi_stack.changes(name):
            raise PreconditionError(
                f"a preview shows changes ({', '.join(changes[:8])}): run `pulumi up` first"
            )
        with _interruptible():
            over.cutover(session, Progress(screen, steps))
        path = write_report(session)
        screen.say(f"[green]The target serves.[/] {over.summary(session)}; report: {path}")
        screen.answer(now.status(session, held=""))


@migrate.command()
@shared
def verify(stack: str, as_json: bool) -> None:
    """Prove through the virtual IP that all is there and works. Boots a server, deletes it."""
    screen = Screen(as_json=as_json)
    with opened(_stack(stack), "verify", changes=True) as session:
        result = proof.verify(session)
        screen.findings(result.findings)
        for line in result.lines:
            screen.say(line)
        write_report(session)
        screen.answer(result.document)
        _refuse_errors(screen, list(result.findings))


@migrate.command()
@shared
@execute
@click.option("--accept-losses", is_flag=True, help="Give up what was written on the target.")
def rollback(stack: str, as_json: bool, execute: bool, accept_losses: bool) -> None:
    """Go back to the source as it was at the fence; names what was written since."""
    screen = Screen(as_json=as_json)
    with opened(_stack(stack), "rollback", changes=execute) as session:
        steps = session.plan.phase(Phase.FOLLOW, Phase.CUTOVER)
        losses = back.losses(session)
        for loss in losses:
            screen.say(f"[red]would be lost:[/] {loss}")
        if not execute:
            screen.say(f"would undo {len(steps)} steps, last first; add --execute")
            screen.answer({"losses": [str(loss) for loss in losses]})
            return
        if losses and not accept_losses:
            raise PreconditionError(
                f"{len(losses)} thing(s) were written on the target and would be lost, listed in "
                f"{session.home / 'losses.json'}: add --accept-losses to give them up"
            )
        with _interruptible():
            back.rollback(session, Progress(screen, steps))
        screen.say("[green]The source serves as it was at the fence.[/]")
        screen.answer(now.status(session, held=""))


@migrate.command()
@shared
def status(stack: str, as_json: bool) -> None:
    """Where the stack stands, who is at work on it, and what to do next. Always works."""
    screen = Screen(as_json=as_json)
    with opened(_stack(stack), "status", changes=False) as session:
        found = now.status(session)
        for line in now.lines(found):
            screen.say(line)
        screen.answer(found)


def _stack(named: str) -> str:
    return named or pulumi_stack.selected()


def _hop(session: Session) -> str:
    return f"{session.context.source.release} to {session.context.target.release}"


def _would(screen: Screen, steps: Plan) -> None:
    screen.plan(steps, "would do, in this order")
    screen.say("Nothing was changed; add --execute.")
    screen.answer(plan_document(steps))


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "where": finding.where,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def _refuse_errors(screen: Screen, found: list[Finding]) -> None:
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    if errors:
        raise PreconditionError(f"{len(errors)} of {len(found)} finding(s) forbid to go on")
    screen.say(f"[green]ready:[/] nothing forbids to go on ({len(found)} remarks)")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C or SIGTERM once: what runs ends, nothing more begins. Twice: as Python does."""

    def stop(number: int, _: Any) -> None:
        signal.signal(number, signal.default_int_handler)
        click.echo("stopping after what runs now; once more to interrupt it", err=True)
        Runner.stop_all()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a lost ssh session must not end the window
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """Run the command line; one line per intended error, a traceback only for a bug."""
    try:
        migrate.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MigrateError as error:
        click.secho(f"error: {error}", fg="red", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
