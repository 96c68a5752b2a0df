"""What the commands have in common: options, and a session that tells of its failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import click

from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.cloud import host, pulumi, settings
from migrate.errors import LockedError, MigrateError, PreconditionError, SettingsError
from migrate.phases import status as now
from migrate.phases.session import Session, opened
from migrate.phases.signals import heard

Command = Callable[..., Any]


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
take_over = click.option(
    "--take-over", is_flag=True, help="Shut out a run of other papers, which is dead."
)
past = click.option(
    "--past",
    multiple=True,
    metavar="STEP",
    help="Go past this step, which has no way back; may be repeated.",
)


def stack_name(named: str) -> str:
    return named or pulumi.selected()


def refuse_missing(stack: str) -> None:
    """SettingsError where a file that every host is reached with is missing."""
    ssh = settings.load(stack).ssh
    host.refuse_missing(ssh.key, ssh.known_hosts)


@contextmanager
def at_work(
    screen: Screen, stack: str, command: str, *, changes: bool, runs: bool, take_over: bool
) -> Iterator[Session]:
    """A session for *command*; its failure is told with how things stand then.

    With *runs* a signal is a request to the runner, otherwise it ends the command.
    """
    refuse_missing(stack)
    if changes:
        TERMINAL.log_to(settings.home(stack))
        TERMINAL.log(f"$ migrate {command} --stack {stack}")
    try:
        with (
            opened(
                stack, command, changes=changes, take_over=take_over, tell=screen.remark
            ) as session,
            heard(session) if changes and runs else nullcontext(),
        ):
            yield session
    except (SettingsError, PreconditionError, LockedError):
        raise  # nothing was touched, and the words say what to do
    except MigrateError as error:
        if changes:
            with suppress(MigrateError), opened(stack, "status", changes=False) as session:
                error.__notes__ = now.lines(now.status(session, ask=True))
        raise
