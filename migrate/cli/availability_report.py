"""Availability as a timeline: a row for each API and kind, the window in it, who heard nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from migrate.verify import availability
from migrate.verify.availability.calls import EVERY, FAILED, NO_LOG, WAITED

ROW, WIDTH, LABEL = 16, 1000, 150
AROUND = 10.0  # seconds that are drawn on each side of the window, or as much as it lasted
COLOURS = {FAILED: "#b42318", WAITED: "#e0a100", NO_LOG: "#6e40c9"}


def gather(home: Path) -> dict[str, Any]:
    """What was recorded of the last window, {} for nothing; times are told as people read them."""
    found = availability.kept(home)
    if not found.get("rows"):
        return {}
    window = found["window"] and [_told(at) for at in found["window"]]
    return {
        **found,
        "from": _told(found["from"]),
        "to": _told(found["to"]),
        "window": window,
        "stretches": [
            {**one, "start": _told(one["start"]), "end": _told(one["end"])}
            for one in found["stretches"]
        ],
    }


def drawn(home: Path) -> dict[str, Any]:
    """Rectangles: `{"window": [x, width], "height", "rows": [{"name", "y"}], "bars": [...]}`.

    The front's are in the upper half of a row, those of the client outside in the lower.
    """
    found = availability.kept(home)
    if not found.get("rows"):
        return {}
    begin, end = map(float, found["window"] or (found["from"], found["to"]))
    around = max(AROUND, end - begin)
    first = max(float(found["from"]), begin - around)
    last = min(float(found["to"]), end + around)
    scale = (WIDTH - LABEL) / max(last - first, 0.001)

    def at(moment: float) -> float:
        return LABEL + (min(max(moment, first), last) - first) * scale

    rows: list[dict[str, Any]] = [
        {"name": f"{one['api']}, {one['kind']}", "y": number * ROW, "of": (one["api"], one["kind"])}
        for number, one in enumerate(found["rows"])
    ]
    bars = [
        {
            "x": at(one["start"]),
            "width": max(1.0, at(one["end"]) - at(one["start"])),
            "y": row["y"] + 2 + (ROW // 2 - 2) * one["by"].startswith("the client"),
            "colour": COLOURS[one["how"]],
            "said": f"{one['by']}: {one['how']}, {one['seconds']:.1f} s",
        }
        for one in found["stretches"]
        for row in rows
        if (one["api"] == EVERY or (one["api"], one["kind"]) == row["of"])
        and one["end"] > first
        and one["start"] < last
    ]
    return {
        "window": [at(begin), max(1.0, at(end) - at(begin))] if found["window"] else None,
        "seconds": last - first,
        "height": len(rows) * ROW + 4,
        "rows": rows,
        "bars": bars,
        "bar": ROW // 2 - 2,
        "label": LABEL,
        "width": WIDTH,
    }


def _told(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
