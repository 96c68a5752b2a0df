"""Pings that were lost while hosts came over, told of the host whose step was at work then."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Container, Iterable, Iterator
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, NamedTuple

from migrate.cloud import Context
from migrate.engine import window
from migrate.engine.window import Span
from migrate.verify import noticed, watched

SECOND = 1.0  # a record tells when it began and ended by the second
NOTHING = (
    "No address was pinged, so nothing is known of what servers noticed: `watch: [ADDRESS, ...]` "
    "under sidestep:settle of the stack file, with addresses of servers that answer ping from "
    "where `migrate` runs, has each pinged ten times a second while settle works"
)


class Lost(NamedTuple):
    """Pings to an address that were lost during one step; `beside` had steps at work as well."""

    address: str
    server: str
    host: str
    step: str
    beside: tuple[str, ...]


def gather(context: Context, names: Collection[str], acts: Iterable[Span]) -> dict[str, Any]:
    """`{"hosts": {"cmp1": {"lost": 4, "servers": {"web": 4}, "whole": True} or None}, "lost":
    [{"address", "server", "host", "step", "beside", "pings"}], "watch": ""}`.

    None of a host says that nothing was pinged while it had its turn, and `whole` whether all of
    that was; `watch` says how to have it, where nothing was ever pinged.
    """
    heard, seen = [], []
    for command, record in noticed.kept(context.home).items():
        mine = [one for one in record["heard"] if one["what"] == noticed.PING]
        if command.startswith("settle") and mine:
            heard += [(one, _only(command, names)) for one in mine]
            seen.append(_window(record))
    owners, spans = watched.kept(context), list(acts)
    turns: dict[str, list[Span]] = {name: [] for name in names}
    for span in spans:
        turns.get(window.of_host(span.step), []).append(span)
    sent = sorted(
        (at, one["at"], only) for one, only in heard for s in one["silences"] for at in _times(*s)
    )
    lost: Counter[Lost] = Counter()
    at_work = _at_work(spans, [at for at, _, _ in sent])
    for (_, address, only), steps in zip(sent, at_work, strict=True):
        told = _told(address, owners.get(address, {}), steps, turns)
        lost[told if told.step else told._replace(host=only)] += 1
    servers: dict[str, Counter[str]] = {name: Counter() for name in ("", *names)}
    for told, count in lost.items():
        servers[told.host][told.server or told.address] += count
    return {
        "hosts": {name: _of_host(turns[name], seen, servers[name]) for name in names},
        "lost": [{**one._asdict(), "pings": count} for one, count in sorted(lost.items())],
        "watch": "" if seen else NOTHING,
    }


def _only(command: str, names: Collection[str]) -> str:
    """The one host that a run was asked for: what is lost between steps, too, was for it."""
    asked = [word for word in command.split()[1:] if not word.startswith("--")]
    return asked[0] if len(asked) == 1 and asked[0] in names else ""


def _window(record: dict[str, Any]) -> tuple[float, float]:
    begin, end = (datetime.fromisoformat(record[key]).timestamp() for key in ("from", "to"))
    return begin - SECOND, end + SECOND


def _times(first: float, last: float, count: float) -> Iterator[float]:
    """When each was sent: they are sent evenly."""
    pause = (last - first) / max(1, count - 1)
    yield from (first + number * pause for number in range(int(count)))


def _at_work(spans: Iterable[Span], times: Iterable[float]) -> Iterator[dict[str, str]]:
    """At each of *times*, which rise, the step at work of each host: of several the last begun.

    A cloud has tens of thousands of both: each is looked at once.
    """
    coming = deque(sorted(spans, key=lambda span: span.start))
    running: dict[int, Span] = {}
    ends: list[tuple[float, int]] = []
    steps: dict[str, str] = {}
    for at in times:
        changed = False
        while coming and coming[0].start <= at:
            number, span = len(coming), coming.popleft()
            running[number] = span
            heappush(ends, (span.end, number))
            changed = True
        while ends and ends[0][0] < at:
            del running[heappop(ends)[1]]
            changed = True
        if changed:
            steps = {window.of_host(one.step): one.step for one in running.values()}
        yield steps


def _told(
    address: str, owner: dict[str, str], steps: dict[str, str], hosts: Container[str]
) -> Lost:
    """One ping. Of several hosts at work it is the one where its server stood before, else all."""
    at_work = sorted(one for one in steps if one in hosts)
    home = owner.get("host", "")
    mine = home if home in at_work else next(iter(at_work), "")
    server = f"{owner['name']} ({owner['server']})" if owner else ""
    step = steps[mine].removeprefix(f"{mine}.") if mine else ", ".join(sorted(steps.values()))
    return Lost(address, server, mine, step, tuple(one for one in at_work if one != mine))


def _of_host(
    turns: list[Span], seen: list[tuple[float, float]], servers: Counter[str]
) -> dict[str, Any] | None:
    watched_ = [s for s in turns if any(a <= s.start and s.end <= b for a, b in seen)]
    if not watched_:
        return None
    return {
        "lost": servers.total(),
        "servers": dict(sorted(servers.items())),
        "whole": len(watched_) == len(turns),
    }
