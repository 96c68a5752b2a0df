"""A session whose failure is told with how things stand then."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.cloud import host, settings
from migrate.errors import LockedError, MigrateError, PreconditionError, SettingsError
from migrate.phases import status
from migrate.phases.session import Session, opened
from migrate.phases.signals import heard


def refuse_missing(stack: str) -> None:
    """SettingsError where a file that every host is reached with is missing."""
    ssh = settings.load(stack).ssh
    host.refuse_missing(ssh.key, ssh.known_hosts)


@contextmanager
def at_work(
    screen: Screen,
    stack: str,
    command: str,
    *,
    changes: bool,
    runs: bool = True,
    take_over: bool,
    os_cloud: str = "",
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
                stack,
                command,
                changes=changes,
                take_over=take_over,
                os_cloud=os_cloud,
                tell=screen.remark,
            ) as session,
            heard(session) if changes and runs else nullcontext(),
        ):
            yield session
    except (SettingsError, PreconditionError, LockedError):
        raise  # nothing was touched, and the words say what to do
    except MigrateError as error:
        if changes:
            with suppress(MigrateError), opened(stack, "status", changes=False) as session:
                error.__notes__ = status.lines(status.status(session, ask=True))
        raise
