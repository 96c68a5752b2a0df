"""What the report tells of compute hosts and network agents that came over."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from migrate.computes import network
from migrate.computes.probing import note, telling
from migrate.engine import window
from migrate.engine.plan import Phase
from migrate.phases.session import Session


def gather(session: Session) -> dict[str, Any]:
    """`{"hosts": [{"host": "cmp1", "seconds": 95.1, "steps": {"close": 2.0, ...}}],
    "migrations": {"works": 4}, "moves": [...], "routers": [...]}`; {} where nothing was settled.
    """
    names = [host.name for host in session.context.source.computes]
    spans = window.spans(session.journal.events(Phase.SETTLE))
    spans += window.spans(session.journal.events(Phase.UPDATE))
    moves = telling.document(note.read(session.context))
    routers = network.timings.kept(session.context)
    found = [one for one in (_host(name, spans) for name in names) if one["steps"]]
    if not (found or moves or routers):
        return {}
    tried = Counter(one["how"] for one in moves)
    return {"hosts": found, "migrations": dict(tried), "moves": moves, "routers": routers}


def _host(name: str, spans: Iterable[window.Span]) -> dict[str, Any]:
    steps = {
        one.step.removeprefix(f"{name}."): round(one.seconds, 2)
        for one in spans
        if one.step.startswith(f"{name}.")
    }
    return {"host": name, "seconds": round(sum(steps.values()), 1), "steps": steps}
