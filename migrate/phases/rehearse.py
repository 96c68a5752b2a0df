"""`migrate rehearse`: the real upgrade in a clone of the target's databases, timed and judged."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from migrate.cloud import Context
from migrate.database import clone, clone_upgrade, clone_urls, copy, rehearsed
from migrate.database.replication import replica
from migrate.engine import markers
from migrate.engine.plan import Plan
from migrate.errors import PreconditionError
from migrate.phases import readiness
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.services.base import Recipe


def refuse(context: Context) -> None:
    """PreconditionError where there is nothing to clone yet, or once the window has begun."""
    markers.refuse_when_live(context)
    if readiness.begun(context):
        raise PreconditionError(
            "the window has begun: the target's databases are what users will have; see "
            "`migrate status`"
        )
    if not copy.passed(context):
        raise PreconditionError(
            f"{context.target.database.name}: no first pass of the source's databases has come; "
            "`migrate follow --execute` brings it"
        )


def foreseen(context: Context) -> dict[str, Any]:
    """What would be cloned and run; asks the target, changes nothing."""
    found = clone.room(context.target.database)
    return {
        "host": context.target.database.name,
        "folder": clone.FOLDER,
        "bytes": found.data,
        "wanted_bytes": found.wanted,
        "free_bytes": found.free,
        "fits": found.free >= found.wanted,
        "tools": [" ".join(t.argv) for recipe in concerned(context) for t in recipe.sync],
    }


def concerned(context: Context) -> list[Recipe]:
    """The projects that have schema tools."""
    return [recipe for recipe in context.recipes if recipe.sync]


def rehearse(session: Session) -> dict[str, Any]:
    """Clone, upgrade, judge; what was measured is kept. Repeatable: each has a clone of its own."""
    context = session.context
    followed = replica.standing(context).follows
    began = time.monotonic()
    with clone.running(context):
        cloned = round(time.monotonic() - began, 2)
        copies, password = clone_urls.lead(context)
        session.tell(f"the clone answers after {cloned:.1f} s")
        looked = clone_upgrade.look(context)
        projects: dict[str, Any] = {}
        for recipe in concerned(context):
            one = clone_upgrade.upgrade(context, recipe, copies)
            one["wrong"] = [said.replace(password, "***") for said in one["wrong"]]
            projects[recipe.project] = one
            session.tell(f"{recipe.project}: {one['seconds']:.1f} s")
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "clone_seconds": cloned,
        "look_seconds": looked,
        "followed": followed,
        "projects": projects,
    }
    predicted = _predictions(session.plan, projects)
    rehearsed.keep(context, found)
    return {**found, "predicted": predicted, "predicts": _predictions(compose(context), projects)}


def _predictions(plan: Plan, projects: Iterable[str]) -> dict[str, float]:
    """What *plan* says of each project's schema step, in seconds."""
    steps = {step.id: step.estimate for step in plan}
    return {project: steps[f"{project}.schema"] for project in projects}


def wrong(found: dict[str, Any]) -> list[str]:
    """What failed of *found*, a line each with its project."""
    return [f"{name}: {one}" for name, p in found["projects"].items() for one in p["wrong"]]
