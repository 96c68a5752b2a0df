"""What was tried of live migration, and what came of it: kept, so that nothing is tried twice."""

from __future__ import annotations

import threading
from pathlib import Path

from migrate.cloud import Context
from migrate.computes.probing.facts import How, Platform, Record, Shape, Tried, Way
from migrate.engine import state_directory

ALONE = threading.Lock()


def read(context: Context) -> Record:
    """By the way what came of it."""
    rows = state_directory.recorded(_path(context)).get("ways", [])
    return {
        Way(Platform(*source), Platform(*to), Shape(*shape)): Tried(How(how), why)
        for source, to, shape, how, why in rows
    }


def add(context: Context, way: Way, tried: Tried) -> None:
    """Keep what came of *way*: what was seen last counts, but a failure to try hides nothing."""
    with ALONE:
        known = dict(read(context))
        if tried.how is not How.UNPROVEN or way not in known:
            known[way] = tried
        rows = [[*way, *tried] for way, tried in known.items()]
        state_directory.record(_path(context), {"ways": rows})


def forget(context: Context) -> None:
    """Nothing of it was tried."""
    state_directory.forget(_path(context))


def _path(context: Context) -> Path:
    return context.home / "settle-probes.json"
