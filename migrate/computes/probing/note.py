"""What was tried of live migration, and what came of it: kept, so that nothing that works is tried
twice. What does not is tried once more by each run: it may have been mended.
"""

from __future__ import annotations

import threading
from pathlib import Path

from migrate.cloud import Context
from migrate.computes.probing.facts import How, Platform, Record, Shape, Tried, Trip
from migrate.engine import state_directory

ALONE = threading.Lock()


def read(context: Context) -> Record:
    """What came of each trip."""
    rows = state_directory.recorded(path(context)).get("trips", [])
    return {
        Trip(Platform(*source), Platform(*to), Shape(*shape)): Tried(How(how), why)
        for source, to, shape, how, why in rows
    }


def lasting(context: Context) -> Record:
    """What of it no later run tries once more."""
    return {trip: tried for trip, tried in read(context).items() if tried.lasts}


def add(context: Context, trip: Trip, tried: Tried) -> None:
    """Keep what came of *trip*: the last that was seen counts, and no failure to try hides it."""
    with ALONE:
        known = dict(read(context))
        seen = known.get(trip)
        if tried.how is not How.UNPROVEN or seen is None or seen.how is How.UNPROVEN:
            known[trip] = tried
        rows = [[*one, *came] for one, came in known.items()]
        state_directory.record(path(context), {"trips": rows})


def forget(context: Context) -> None:
    """Nothing of it was tried."""
    state_directory.forget(path(context))


def path(context: Context) -> Path:
    """Where it stands, in the state directory."""
    return context.home / "settle-probes.json"
