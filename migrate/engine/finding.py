"""What a check has to say: one thing, how bad it is, and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from migrate.cloud import hosts
from migrate.cloud.host import Host
from migrate.errors import PreconditionError


class Severity(StrEnum):
    """How much a finding matters: an ERROR forbids to go on."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the operator. `where` is a host, a file with its line, or a resource."""

    check: str  # the check's name, e.g. "release"; see `filled`
    severity: Severity
    message: str
    remedy: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.severity} [{self.check}] {self.describe()}"

    def describe(self) -> str:
        """Where, what, and what to do."""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.message}. {self.remedy}"


# of message, remedy and where
error = partial(Finding, "", Severity.ERROR)
warning = partial(Finding, "", Severity.WARNING)
info = partial(Finding, "", Severity.INFO)


def filled(found: Iterable[Finding], *, check: str = "", where: str = "") -> Iterator[Finding]:
    """*found*, with *check* and *where* for those that do not say theirs."""
    for one in found:
        yield replace(one, check=one.check or check, where=one.where or where)


def on_each(those: Iterable[Host], ask: Callable[[Host], Iterable[Finding]]) -> list[Finding]:
    """What *ask* finds on each of *those*, side by side, with the host's name."""
    return hosts.joined(those, lambda host: list(filled(ask(host), where=host.name)))


def refuse(found: Iterable[Finding]) -> None:
    """PreconditionError that tells every error among *found*."""
    if wrong := [one for one in found if one.severity is Severity.ERROR]:
        raise PreconditionError("; ".join(one.describe() for one in wrong))
