"""What a check has to say: one thing, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum


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
        place = f"{self.where}: " if self.where else ""
        return f"{self.severity} [{self.check}] {place}{self.message}. {self.remedy}"


def error(message: str, remedy: str, where: str = "") -> Finding:
    return Finding("", Severity.ERROR, message, remedy, where)


def warning(message: str, remedy: str, where: str = "") -> Finding:
    return Finding("", Severity.WARNING, message, remedy, where)


def info(message: str, remedy: str, where: str = "") -> Finding:
    return Finding("", Severity.INFO, message, remedy, where)


def filled(found: Iterable[Finding], *, check: str = "", where: str = "") -> Iterator[Finding]:
    """*found*, with *check* and *where* for those that do not say theirs."""
    for one in found:
        yield replace(one, check=one.check or check, where=one.where or where)
