"""What the report tells of compute hosts and network agents that came over."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from migrate.cli import pings_report
from migrate.computes import network
from migrate.computes.draining import timings
from migrate.computes.probing import note, telling
from migrate.engine import window
from migrate.engine.plan import Phase
from migrate.phases.session import Session


def gather(session: Session) -> dict[str, Any]:
    """`{"hosts": [{"host": "cmp1", "seconds": 95.1, "steps": {"close": 2.0, ...}, "servers":
    {"kinds": {"running": 3}, "disks": {"local disk": 2, "volumes": 1}}, "moved": [...], "pings":
    {...} or None}], "pings": {...}, "migrations": {"works": 4}, "moves": [...], "routers": [...]}`;
    {} where nothing was settled.
    """
    context = session.context
    names = [host.name for host in (*context.source.computes, *context.source.network_hosts)]
    events = [
        one for phase in (Phase.SETTLE, Phase.UPDATE) for one in session.journal.events(phase)
    ]
    spans: dict[str, list[window.Span]] = defaultdict(list)
    for span in window.spans(events):
        spans[window.of_host(span.step)].append(span)
    moves = telling.document(note.read(context))
    routers = network.timings.kept(context)
    told = (_host(session, name, spans[name]) for name in names)
    found = [one for one in told if one["steps"] or one["moved"]]
    if not (found or moves or routers):
        return {}
    pings = pings_report.gather(context, [one["host"] for one in found], window.acts(events))
    for one in found:
        one["pings"] = pings["hosts"][one["host"]]
    tried = Counter(one["how"] for one in moves)
    return {
        "hosts": found,
        "pings": {key: pings[key] for key in ("watch", "lost")},
        "migrations": dict(tried),
        "moves": moves,
        "routers": routers,
    }


def _host(session: Session, name: str, spans: Iterable[window.Span]) -> dict[str, Any]:
    steps = {one.step.removeprefix(f"{name}."): round(one.seconds, 2) for one in spans}
    kept = timings.kept(session.context, name)
    return {
        "host": name,
        "seconds": round(sum(steps.values()), 1),
        "steps": steps,
        "servers": kept.get("servers", {}),
        "moved": [_moved(one) for one in kept.get("moves", [])],
    }


def _moved(one: timings.Record) -> dict[str, Any]:
    """A move in seconds, as we saw it and by nova's own record; None for what nobody knows."""
    ours = one["ended"] - one["asked"] if "ended" in one else None
    record = one.get("migration") or {}
    return {
        **{key: one.get(key, "") for key in ("server", "name", "how", "from", "to", "wrong")},
        "asked": one["asked"],
        "seconds": None if ours is None else round(ours, 1),
        "status": record.get("status", ""),
        "nova_seconds": _between(record.get("created_at"), record.get("updated_at")),
    }


def _between(begin: str | None, end: str | None) -> float | None:
    if not (begin and end):
        return None
    first, last = (datetime.fromisoformat(one) for one in (begin, end))
    return round((last - first).total_seconds(), 1)
