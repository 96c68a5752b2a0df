"""What the last rehearsal measured, kept in the state directory: the plan's times come from it."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from migrate.cloud import Context
from migrate.engine import state_directory
from migrate.engine.plan import Step
from migrate.errors import JournalError

FILE = "rehearsal.json"
# what looks at every table once, and does nothing else where the target follows
LOOKS = ("database.fingerprint", "database.compare")
BRINGS = "database.copy"  # looks, and brings what did not come


def keep(context: Context, found: dict[str, Any]) -> None:
    """Keep *found* with the hop.

    `{"at": "...", "look_seconds": 1.4, "followed": true, "projects": {"nova": {"work": 2.9, ...}}}`
    """
    state_directory.record(context.home / FILE, {**found, "hop": _hop(context)})


def kept(context: Context) -> dict[str, Any]:
    """What was kept of this very hop; {} where there is none, or none that can be read."""
    with suppress(JournalError):
        found = state_directory.recorded(context.home / FILE)
        if found.get("hop") == _hop(context):
            return found
    return {}


def timed(steps: Iterable[Step], found: dict[str, Any]) -> Iterator[Step]:
    """*steps*, where those of databases take as long as the rehearsal *found* says.

    Beside the work that it measured a tool that waits has its own few seconds, which the lab knows.
    """
    takes = dict.fromkeys(LOOKS, found["look_seconds"]) if found else {}
    adds = {
        f"{project}.schema": one["work"]
        for project, one in found.get("projects", {}).items()
        if not one["wrong"]
    }
    if found:
        (takes if found["followed"] else adds)[BRINGS] = found["look_seconds"]
    for step in steps:
        # what they do beside the look, the lab knows
        seconds = max(takes.get(step.id, 0.0), step.estimate) + adds.get(step.id, 0.0)
        yield step if seconds == step.estimate else replace(step, estimate=round(seconds, 2))


def _hop(context: Context) -> list[str]:
    return [context.source.release, context.target.release]
