"""What was tried of live migration, and what came of it: kept, so that nothing is tried twice."""

from __future__ import annotations

import threading
from pathlib import Path

from migrate.cloud import Context
from migrate.computes.probing.facts import How, Platform, Record, Shape, Tried, Trip
from migrate.engine import state_directory

ALONE = threading.Lock()


def read(context: Context) -> Record:
    """What came of each trip."""
    rows = state_directory.recorded(_path(context)).get("trips", [])
    return {
        Trip(Platform(*source), Platform(*to), Shape(*shape)): Tried(How(how), why)
        for source, to, shape, how, why in rows
    }


def add(context: Context, trip: Trip, tried: Tried) -> None:
    """Keep what came of *trip*: the last that was seen counts, and no failure to try hides it."""
    with ALONE:
        known = dict(read(context))
        if tried.how is not How.UNPROVEN or trip not in known:
            known[trip] = tried
        _keep(context, known)


def drop(context: Context, trip: Trip) -> None:
    """*trip* is to be tried again."""
    with ALONE:
        known = dict(read(context))
        known.pop(trip, None)
        _keep(context, known)


def _keep(context: Context, known: Record) -> None:
    rows = [[*trip, *tried] for trip, tried in known.items()]
    state_directory.record(_path(context), {"trips": rows})


def forget(context: Context) -> None:
    """Nothing of it was tried."""
    state_directory.forget(_path(context))


def _path(context: Context) -> Path:
    return context.home / "settle-probes.json"
