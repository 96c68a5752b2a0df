"""`migrate verify`: the proof through the virtual IP, kept for the report."""

import time
from dataclasses import asdict
from typing import Any

from migrate.engine import markers, state_directory
from migrate.finish import purge
from migrate.phases.session import Session
from migrate.takeover import going_live
from migrate.verify import live, views
from migrate.verify.comparison import MISSING

FILE = "verification.json"


def verify(session: Session) -> live.Verification:
    """Verify the target that serves; refuses before the release (PreconditionError).

    Keeps `verification.json` (0600): what `live.run` found, `resources`, `differences`, `at`, and
    `working_seconds` from the first refused write to the first new server's ACTIVE, None when the
    journal does not hold the window.
    """
    context = session.context
    markers.refuse_until_live(context)
    released = markers.live_since(context)
    before = views.kept(context)
    ended = before.values() if markers.finished(context) else ()  # what that has deleted of it
    purged = {id_ for one in ended for id_ in purge.listed(context, one.resources)}
    result = live.run(context, before, released, purged=purged)
    document = {
        **result.document,
        **_sums(result.document),
        "lines": result.lines,
        "findings": [asdict(finding) for finding in result.findings],
        "working_seconds": _working(session, result.document),
        "at": time.time(),
    }
    result.document = document
    state_directory.record(session.home / FILE, document)
    return result


def _sums(document: dict[str, Any]) -> dict[str, Any]:
    listings = document.get("listings", {}).values()
    return {
        "resources": sum(one["resources"] for one in listings),
        "differences": [
            d for one in listings for d in one["differences"] if d["field"] or d["after"] == MISSING
        ],
    }


def _working(session: Session, document: dict[str, Any]) -> float | None:
    seen, booted = going_live.window_of(session.journal), document.get("booted")
    if seen is None or not isinstance(booted, dict):
        return None
    return round(float(booted["active_at"]) - seen.start, 1)
