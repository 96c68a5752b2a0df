"""What the last rehearsal measured, kept in the state directory: the plan's times come from it."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
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

    `{"at": "...", "look_seconds": 1.4, "followed": true, "listings": {"listing.before": 3.1},
    "projects": {"nova": {"work": 2.9, ...}}}`

    One that failed keeps what it took when it went well last: `"good": {"work": 2.7, "at": "..."}`
    """
    earlier = kept(context)
    projects = {
        name: {**one, "good": _good(earlier, name)} if one["wrong"] else one
        for name, one in found["projects"].items()
    }
    state_directory.record(
        context.home / FILE, {**found, "projects": projects, "hop": _hop(context)}
    )


def _good(found: dict[str, Any], project: str) -> dict[str, Any]:
    """When *project* went well last, and what it took then; {} where it never did."""
    one = found.get("projects", {}).get(project)
    if one is None:
        return {}
    good = {"work": one.get("work"), "at": found.get("at", "")}
    return dict(one.get("good", {})) if one["wrong"] else good


def older(found: dict[str, Any]) -> dict[str, str]:
    """Projects whose figure is of an earlier rehearsal, since they failed in *found*, and which."""
    every = found.get("projects", {})
    goods = {name: _good(found, name) for name, one in every.items() if one["wrong"]}
    return {name: good["at"] for name, good in goods.items() if good}


def kept(context: Context) -> dict[str, Any]:
    """What was kept of this very hop; {} where there is none, or none that can be read."""
    with suppress(JournalError):
        found = state_directory.recorded(context.home / FILE)
        if found.get("hop") == _hop(context):
            return found
    return {}


def at(found: dict[str, Any]) -> float:
    """When *found* was rehearsed, in seconds since the epoch; 0 where nothing was."""
    return datetime.fromisoformat(found["at"]).timestamp() if found.get("at") else 0.0


def steps(found: dict[str, Any]) -> set[str]:
    """The steps whose times *found* has measured."""
    if not found:
        return set()
    schemas = {f"{one}.schema" for one in found.get("projects", {}) if _good(found, one)}
    return {*schemas, *LOOKS, BRINGS, *found.get("listings", {})}


def timed(steps: Iterable[Step], found: dict[str, Any]) -> Iterator[Step]:
    """*steps*, where those of databases take as long as the rehearsal *found* says.

    Beside the work that it measured a tool that waits has its own few seconds, which the lab knows.
    """
    takes = dict.fromkeys(LOOKS, found["look_seconds"]) if found else {}
    takes |= found.get("listings", {})
    adds = {
        f"{project}.schema": good["work"]
        for project in found.get("projects", {})
        if (good := _good(found, project))
    }
    if found:
        (takes if found["followed"] else adds)[BRINGS] = found["look_seconds"]
    for step in steps:
        # what they do beside the look, the lab knows
        seconds = max(takes.get(step.id, 0.0), step.estimate) + adds.get(step.id, 0.0)
        yield step if seconds == step.estimate else replace(step, estimate=round(seconds, 2))


def _hop(context: Context) -> list[str]:
    return [context.source.release, context.target.release]
