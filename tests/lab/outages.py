"""What users noticed: outages of each kind of call, from the record of a load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.lab import load
from tests.lab.settings import Lab


@dataclass(frozen=True, slots=True)
class Outage:
    """From the start of the first failed call to the start of the first good one after it."""

    began: float
    seconds: float
    calls: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noticed:
    """All that is known of one kind of call."""

    kind: str
    calls: int
    failed: int
    slowest: float
    outages: tuple[Outage, ...]

    @property
    def longest(self) -> float:
        """Seconds of the longest outage."""
        return max((outage.seconds for outage in self.outages), default=0.0)

    def __str__(self) -> str:
        text = f"{self.kind:24} {self.calls:7} calls {self.failed:5} failed"
        text += f"  slowest {self.slowest:6.2f} s  outages {len(self.outages)}"
        return text + (f", longest {self.longest:.2f} s" if self.outages else "")


def noticed(records: Iterable[dict[str, Any]]) -> dict[str, Noticed]:
    """What was noticed, by kind of call."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        kinds[record["kind"]].append(record)
    return {kind: _of_kind(kind, calls) for kind, calls in sorted(kinds.items())}


def table(lab: Lab, since: float = 0) -> list[str]:
    """One line for each kind of call."""
    return [str(found) for found in noticed(load.records(lab, since)).values()]


def _of_kind(kind: str, calls: list[dict[str, Any]]) -> Noticed:
    calls.sort(key=lambda call: call["at"])
    return Noticed(
        kind=kind,
        calls=len(calls),
        failed=sum(not call["ok"] for call in calls),
        slowest=max(call["took"] for call in calls),
        outages=tuple(_outages(calls)),
    )


def _outages(calls: list[dict[str, Any]]) -> Iterable[Outage]:
    failed: list[dict[str, Any]] = []
    for call in calls:
        if not call["ok"]:
            failed.append(call)
        elif failed:
            yield _outage(failed, call["at"])
            failed = []
    if failed:  # it has not ended: as long as is known
        yield _outage(failed, failed[-1]["at"] + failed[-1]["took"])


def _outage(failed: list[dict[str, Any]], until: float) -> Outage:
    notes = tuple(sorted({call.get("note", "") for call in failed}))
    began = failed[0]["at"]
    return Outage(began, until - began, len(failed), notes)
