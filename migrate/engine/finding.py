"""What a check has to say: one thing, how bad it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters: an ERROR forbids to go on."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the operator. `where` is a host, a file with its line, or a resource."""

    check: str  # the check's name, e.g. "release"
    severity: Severity
    message: str
    remedy: str
    where: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.severity} [{self.check}] {place}{self.message}. {self.remedy}"
