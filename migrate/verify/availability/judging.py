"""What two sources say of the same time, as one: the worse counts, and where they part is told."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from migrate.engine.finding import Finding, warning
from migrate.takeover.front.config import BEAT_MS
from migrate.verify.availability.calls import (
    EVERY,
    NO_LOG,
    WAITED,
    Call,
    Stretch,
    silences,
    stretches,
    told,
)

TOLERANCE = 0.4  # seconds by which two clients see the same outage apart
AROUND = 1.0  # seconds about a stretch, in which the other must have called to have a say
SPANS = ("before", "during", "after")


@dataclass(frozen=True, slots=True)
class Source:
    """Calls as one has seen them; `times` of its lines tell when it looked at all."""

    name: str
    calls: list[Call]
    times: list[float]
    beats: bool  # whether a line is due all the time

    @classmethod
    def of_log(cls, host: str, times: list[float], calls: list[Call]) -> Self:
        """The front's log of *host*."""
        return cls(f"the front of {host}", calls, times, beats=True)

    @classmethod
    def of_client(cls, calls: list[Call]) -> Self:
        """The client outside."""
        return cls("the client outside", calls, [one.ended for one in calls], beats=False)

    def seen(self, until: float) -> tuple[float, float]:
        """From when to when it looked; a front without a word looks on until *until*."""
        return min(self.times), until if self.beats else max(self.times)


def judged(
    logs: list[Source],
    client: Source,
    window: tuple[float, float] | None = None,
    moved: float | None = None,
) -> dict[str, Any]:
    """`{"from", "to", "window": [start, end], "rows": [...], "stretches": [...], "findings": []}`.

    A row is an API and a kind; of each span it has what each source says (`calls.told`) and, in
    `worse`, the lower availability of them. Times are in seconds since 1970. From when the address
    has *moved* what a front says, or does not, is nobody's outage any more.
    """
    sources = [one for one in (*_carrying(logs), client) if one.times]
    if not sources:
        return {
            "from": None,
            "to": None,
            "window": window,
            "rows": [],
            "stretches": [],
            "findings": [],
        }
    begin = min(min(one.times) for one in sources)
    end = max(max(one.times) for one in sources)
    found = {}
    for one in sources:
        since, until = one.seen(min(moved or end, end))
        mine = stretches(one.calls, until)
        if one.beats:
            mine = [s for s in mine if s.start < until]
            mine += silences(one.times, BEAT_MS / 1000, since, until)
        found[one.name] = (one, since, until, mine)
    return {
        "from": begin,
        "to": end,
        "window": window,
        "rows": list(_rows(found.values(), _spans(begin, end, window))),
        "stretches": [
            {**s._asdict(), "seconds": round(s.seconds, 2), "by": name}
            for name, (_, _, _, mine) in found.items()
            for s in sorted(mine, key=lambda one: one.start)
        ],
        "findings": [
            {**asdict(one), "severity": str(one.severity)} for one in parted(list(found.values()))
        ],
    }


def _carrying(logs: Iterable[Source]) -> list[Source]:
    """Fronts of hosts that do not hold the address carry nobody's call, and nobody misses them."""
    return [one for one in logs if one.calls]


def _spans(
    begin: float, end: float, window: tuple[float, float] | None
) -> dict[str, tuple[float, float]]:
    if window is None:
        return {"before": (begin, end)}
    closed, open_ = window
    return dict(zip(SPANS, ((begin, closed), (closed, open_), (open_, end)), strict=True))


Seen = tuple[Source, float, float, list[Stretch]]


def _rows(found: Iterable[Seen], spans: dict[str, tuple[float, float]]) -> Iterator[dict[str, Any]]:
    found = list(found)
    each: dict[tuple[str, str], dict[str, list[Call]]] = defaultdict(lambda: defaultdict(list))
    for source, _, _, _ in found:
        for one in source.calls:
            each[one.api, one.kind][source.name].append(one)
    for (api, kind), calls in sorted(each.items()):
        row: dict[str, Any] = {"api": api, "kind": kind}
        for span, (start, end) in spans.items():
            says = {}
            for source, since, until, mine in found:
                if source.name not in calls:
                    continue
                of = [s for s in mine if s.of(api, kind)]
                part = told(calls[source.name], of, max(start, since), min(end, until))
                if part:
                    says[source.name] = part
            if says:
                by = min(says, key=lambda name: float(says[name]["availability"]))
                row[span] = {"worse": says[by]["availability"], "by": by, "says": says}
        yield row


def parted(found: list[Seen]) -> list[Finding]:
    """What one has seen and another, who looked, has not."""
    groups: dict[tuple[str, str], list[Stretch]] = {}
    for source, _, _, mine in found:
        for other, since, until, theirs in found:
            if other is source or (source.beats and other.beats):
                continue
            alone = [
                one
                for one in mine
                if since <= one.start and one.end <= until and _alone(one, theirs, other.calls)
            ]
            if alone:
                groups[source.name, other.name] = alone
    return [
        _finding(source, other, together)
        for (source, other), alone in groups.items()
        for together in _together(alone)
    ]


def _alone(one: Stretch, theirs: list[Stretch], calls: list[Call]) -> bool:
    """Whether who made *calls* could have seen *one*, and has not."""
    near = (s for s in theirs if one.api == EVERY or s.of(one.api, one.kind))
    seen = max((s.within(one.start - TOLERANCE, one.end + TOLERANCE) for s in near), default=0.0)
    if one.seconds - seen <= TOLERANCE:
        return False
    around = [
        call
        for call in calls
        if one.start - AROUND <= call.ended <= one.end + AROUND
        and (one.api == EVERY or (call.api, call.kind) == (one.api, one.kind))
    ]
    # a slow call is no outage to the front, but it has seen it
    slow = one.how == WAITED and any(c.took >= one.seconds - TOLERANCE for c in around)
    return bool(around) and not slow


def _together(alone: list[Stretch]) -> Iterator[list[Stretch]]:
    """Those at the same time."""
    group: list[Stretch] = []
    for one in sorted(alone, key=lambda one: one.start):
        if group and one.start > max(s.end for s in group):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _finding(source: str, other: str, those: list[Stretch]) -> Finding:
    start, end = min(s.start for s in those), max(s.end for s in those)
    at = datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds")
    what = ", ".join(dict.fromkeys(f"{s.api} ({s.kind})" for s in those if s.api != EVERY))
    if any(s.how == NO_LOG for s in those):
        said = (
            f"{source} logged nothing for {end - start:.1f} s from {at} on, and {other} had answers"
        )
        remedy = "It was dead or frozen, and calls went past it, or its log was: see its journal"
    else:
        how = "no answer" if any(s.how != WAITED for s in those) else "late answers only"
        said = f"{source} saw {how} of {what} for {end - start:.1f} s from {at} on, {other} did not"
        remedy = "What one loses on its way the other does not see: look at what lies between them"
    return warning(said, remedy, source)
