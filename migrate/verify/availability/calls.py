"""Calls, and in which stretches of time an API gave no answer to those who made them. Pure.

A stretch begins with the first call that failed, or was answered late, and ends with the next good
answer. Who does not call hears no silence; but a front that does not even log its own beat is one.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

LATE = 0.5  # seconds, after which a wait is told
MERGE = 0.4  # two stretches with so little in between are one; more than the pause between calls
EVERY = "*"  # all APIs, all kinds
FAILED, WAITED, NO_LOG = "failed", "waited", "no log"


class Call(NamedTuple):
    """One call: `good` is None where its client has left; `waited` is what was not its own time."""

    ended: float  # in seconds since 1970
    took: float
    api: str
    kind: str
    good: bool | None
    wrong: str = ""
    waited: float = 0.0

    @property
    def began(self) -> float:
        return self.ended - self.took


class Stretch(NamedTuple):
    """From `start` to `end` nobody got an answer of `api` by calls of this `kind`."""

    api: str
    kind: str
    start: float
    end: float
    how: str  # FAILED, WAITED or NO_LOG
    wrong: dict[str, int]

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def within(self, start: float, end: float) -> float:
        """How much of it lies there."""
        return max(0.0, min(self.end, end) - max(self.start, start))

    def of(self, api: str, kind: str) -> bool:
        """Whether it is one of *api* and *kind*."""
        return self.api == EVERY or (self.api, self.kind) == (api, kind)


def stretches(calls: Iterable[Call], until: float) -> list[Stretch]:
    """Those of each API and kind, by their start; what has no end goes on *until* then."""
    each: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for one in calls:
        each[one.api, one.kind].append(one)
    found = [s for (api, kind), those in each.items() for s in _of_one(api, kind, those, until)]
    return sorted(found, key=lambda one: one.start)


def _of_one(api: str, kind: str, calls: list[Call], until: float) -> Iterator[Stretch]:
    answered = sorted(one.ended for one in calls if one.good)
    troubled = [one for one in calls if one.good is False or one.waited >= LATE]
    found: list[Stretch] = []
    for one in sorted(troubled, key=lambda one: one.began):
        following = bisect_right(answered, one.began)
        end = answered[following] if following < len(answered) else until
        failed = one.good is False
        wrong = Counter([one.wrong] if failed else [])
        start = one.began
        if found and start <= found[-1].end + MERGE:
            last = found.pop()
            start, end = last.start, max(last.end, end)
            wrong += Counter(last.wrong)
            failed = failed or last.how == FAILED
        found.append(Stretch(api, kind, start, end, FAILED if failed else WAITED, dict(wrong)))
    yield from (one for one in found if one.how == FAILED or one.seconds >= LATE)


def silences(times: Iterable[float], beat: float, start: float, end: float) -> list[Stretch]:
    """Where a log has nothing from *start* to *end*, though a line is due after each *beat*."""
    found, last = [], start
    for one in [*sorted(at for at in times if start <= at <= end), end]:
        if one - last > 3 * beat:
            since = last + (beat / 2 if last > start else 0)
            found.append(Stretch(EVERY, EVERY, since, one, NO_LOG, {}))
        last = one
    return found


def covered(stretches: Iterable[Stretch], start: float, end: float) -> float:
    """Seconds from *start* to *end* that lie in any of *stretches*."""
    total, last = 0.0, start
    for one in sorted(stretches, key=lambda one: one.start):
        total += max(0.0, min(one.end, end) - max(one.start, last))
        last = max(last, min(one.end, end))
    return total


def told(
    calls: list[Call], stretches: list[Stretch], start: float, end: float
) -> dict[str, Any] | None:
    """What became of *calls* of one API and kind from *start* to *end*; None of no such time.

    *stretches* are its own.
    """
    if end <= start:
        return None
    mine = [one for one in calls if start <= one.ended < end]
    outage = covered((one for one in stretches if one.how != WAITED), start, end)
    if not mine and not outage:
        return None
    took = sorted(one.took for one in mine if one.good)
    return {
        "calls": len(mine),
        "failed": sum(one.good is False for one in mine),
        "left": sum(one.good is None for one in mine),
        "wrong": dict(Counter(one.wrong for one in mine if one.good is False)),
        "availability": round(1 - outage / (end - start), 5),
        "outage": round(outage, 2),
        "waited": round(covered((s for s in stretches if s.how == WAITED), start, end), 2),
        "longest": round(max((one.took for one in mine), default=0.0), 3),
        "held": round(max((one.waited for one in mine), default=0.0), 3),
        "median": share(took, 0.5),
        "p95": share(took, 0.95),
    }


def share(took: list[float], share: float) -> float | None:
    """What *share* of *took*, which rise, is below; in seconds."""
    return round(took[min(len(took) - 1, int(share * len(took)))], 4) if took else None
