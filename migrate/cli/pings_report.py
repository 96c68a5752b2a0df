"""Pings that were lost while hosts came over, told of the host whose step was at work then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from migrate.cloud import Context
from migrate.engine import window
from migrate.engine.window import Span
from migrate.verify import noticed, pings, watched

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
        mine = [one for one in record["heard"] if one["what"] == pings.WHAT]
        if command.startswith("settle") and mine:
            heard += [(one, _only(command, names)) for one in mine]
            seen.append(_window(record))
    owners, spans = watched.kept(context), list(acts)
    turns: dict[str, list[Span]] = {name: [] for name in names}
    for span in spans:
        turns.get(window.of_host(span.step), []).append(span)
    lost: Counter[Lost] = Counter()
    for one, only in heard:
        for silence in one["silences"]:
            near = [span for span in spans if span.start <= silence[1] and silence[0] <= span.end]
            for at in _times(*silence):
                told = _told(one["at"], owners.get(one["at"], {}), at, near, turns)
                lost[told if told.step else told._replace(host=only)] += 1
    return {
        "hosts": {name: _of_host(name, turns[name], seen, lost) for name in names},
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


def _told(
    address: str, owner: dict[str, str], at: float, near: list[Span], hosts: Collection[str]
) -> Lost:
    """One ping. Of several hosts at work it is the one where its server stood before, else all."""
    steps = {window.of_host(one.step): one.step for one in near if one.start <= at <= one.end}
    at_work = sorted(steps.keys() & set(hosts))
    home = owner.get("host", "")
    mine = home if home in at_work else next(iter(at_work), "")
    server = f"{owner['name']} ({owner['server']})" if owner else ""
    step = steps[mine].removeprefix(f"{mine}.") if mine else ", ".join(sorted(steps.values()))
    return Lost(address, server, mine, step, tuple(one for one in at_work if one != mine))


def _of_host(
    name: str, turns: list[Span], seen: list[tuple[float, float]], lost: Counter[Lost]
) -> dict[str, Any] | None:
    watched_ = [s for s in turns if any(a <= s.start and s.end <= b for a, b in seen)]
    if not watched_:
        return None
    servers: Counter[str] = Counter()
    for one, count in lost.items():
        if one.host == name:
            servers[one.server or one.address] += count
    return {
        "lost": servers.total(),
        "servers": dict(sorted(servers.items())),
        "whole": len(watched_) == len(turns),
    }
