"""Findings that forbid to go on become the command's error."""

from migrate import checks
from migrate.checks import Check
from migrate.cli.output import Screen
from migrate.engine.finding import Finding, Severity
from migrate.errors import PreconditionError, UnreachableError
from migrate.phases.session import Session


def refuse_again(screen: Screen, session: Session, asked: tuple[Check, ...]) -> None:
    """Ask some of the checks again: something may have changed since `migrate check`."""
    found = checks.run(session.context, asked)
    screen.findings(found)
    closed = [one for one in found if one.check == checks.ACCESS.name]
    if shut := [one for one in closed if one.severity is Severity.ERROR]:
        raise UnreachableError(_first(shut), shut[0].where)
    refuse_errors(screen, found)


def refuse_errors(screen: Screen, found: list[Finding]) -> None:
    """PreconditionError where *found* has an error."""
    if errors := [finding for finding in found if finding.severity is Severity.ERROR]:
        raise PreconditionError(_first(errors))
    screen.say(f"[green]ready:[/] nothing forbids to go on ({len(found)} remarks)")


def _first(errors: list[Finding]) -> str:
    """The first of *errors* with its remedy in one line, and how many more were shown above."""
    first = errors[0]
    where = f"{first.where}: " if not first.message.startswith(first.where) else ""
    more = f" (and {len(errors) - 1} more, see above)" if len(errors) > 1 else ""
    return f"{where}{first.message}. {first.remedy}{more}"
