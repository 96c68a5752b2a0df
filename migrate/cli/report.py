"""The evidence: one self-contained HTML page and the same as JSON, in the state directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from migrate.cli import hosts_report
from migrate.engine import state_directory
from migrate.engine.plan import Phase, longest_path
from migrate.engine.window import Span
from migrate.phases import timings, verify
from migrate.phases.session import Session
from migrate.phases.status import status
from migrate.storage.images.image_passes import PROVEN
from migrate.takeover import going_live
from migrate.verify import noticed

TOLD = (Phase.FOLLOW, Phase.CUTOVER, Phase.ACCEPT)  # each step of them, as it was foreseen
ROW, WIDTH, LABEL, SAID = 18, 1000, 230, 150


def write_report(session: Session) -> Path:
    """Write `report.html` and `report.json` (0600) from the journal and the stored proofs."""
    found = gather(session)
    state_directory.record(session.home / "report.json", found)
    page = _template().render(found=found, bars=bars(session), row=ROW, width=WIDTH, label=LABEL)
    return state_directory.keep(session.home / "report.html", page)


@contextmanager
def reported(session: Session) -> Iterator[None]:
    """The report is written when the block ends, however it does; none is no reason to fail."""
    try:
        yield
    finally:
        with suppress(Exception):  # it would hide what the block has raised
            write_report(session)


def gather(session: Session) -> dict[str, Any]:
    """All that the page shows; `window` is None until a cutover went through."""
    seen = going_live.window_of(session.journal)
    within = timings.within(session)
    proof = state_directory.recorded(session.home / verify.FILE)
    context = session.context
    return {
        "stack": context.stack,
        "from": context.source.release,
        "to": context.target.release,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": status(session, held=""),  # we hold it ourselves
        "window": seen
        and {
            "seconds": round(seen.seconds, 2),
            "start": _time(seen.start),
            "end": _time(seen.end),
            "parts": {span.step: round(span.seconds, 2) for span in seen.spans},
            "predicted": {step.id: round(step.estimate, 2) for step in within},
            "predicted_seconds": round(longest_path(within), 2),
        },
        "steps": [asdict(one) for one in timings.of(session, *TOLD)],
        "noticed": noticed.kept(session.home),
        "proofs": {"verification": proof} if proof else {},
        "settled": hosts_report.gather(session),
        "carried": _carried(session.home),
        "events": [
            {**asdict(event), "time": _time(event.at)} for event in session.journal.events()
        ],
    }


def _carried(home: Path) -> dict[str, Any]:
    """How much was proven equal: of databases by the fingerprint at the fence, and of images."""
    found: dict[str, Any] = {}
    if fenced := state_directory.recorded(home / "fingerprint.json"):
        tables = fenced["tables"]
        found["databases"] = len(fenced["databases"])
        found["tables"] = len(tables)
        found["rows"] = sum(table["rows"] for table in tables.values())
    if images := state_directory.recorded(home / PROVEN):
        found["images"] = images
    return found


def bars(session: Session) -> list[dict[str, Any]]:
    """The timeline of the window as rectangles.

    `{"step", "x", "y", "width", "seconds", "predicted"}`
    """
    seen = going_live.window_of(session.journal)
    if seen is None:
        return []
    drawn: list[Span] = sorted(seen.spans, key=lambda span: span.start)
    first, last = min(s.start for s in drawn), max(s.end for s in drawn)
    predicted = {step.id: step.estimate for step in timings.within(session)}
    scale = (WIDTH - LABEL - SAID) / max(last - first, 0.001)
    return [
        {
            "step": span.step,
            "x": LABEL + (span.start - first) * scale,
            "y": index * ROW,
            "width": max(span.seconds * scale, 1.0),
            "seconds": span.seconds,
            "predicted": predicted.get(span.step),
        }
        for index, span in enumerate(drawn)
    ]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _template() -> Any:
    loader = PackageLoader("migrate.cli", ".")
    return Environment(loader=loader, autoescape=select_autoescape(default=True)).get_template(
        "report.html.j2"
    )
