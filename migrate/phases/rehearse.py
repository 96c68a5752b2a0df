"""`migrate rehearse`: the real upgrade in a clone of the target's databases, timed and judged.

Then the release's own APIs are started on it, and must answer what the source answers.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from migrate.cloud import Context
from migrate.database import clone, clone_upgrade, clone_urls, copy, rehearsed
from migrate.database.replication import replica
from migrate.database.service_databases import ServiceDatabase
from migrate.engine import markers
from migrate.engine.finding import Finding, warning
from migrate.engine.plan import Plan
from migrate.errors import PreconditionError, some
from migrate.phases import readiness
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.services.base import Recipe
from migrate.shadow import answers, serving
from migrate.verify import views
from migrate.verify.listing import Listing

REMARKED = 3  # of what it told, before a window


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
        "apis": [one.unit.name for one in serving.served(context)],
        "never": serving.never(context),
    }


def concerned(context: Context) -> list[Recipe]:
    """The projects that have schema tools."""
    return [recipe for recipe in context.recipes if recipe.sync]


def rehearse(session: Session) -> dict[str, Any]:
    """Clone, upgrade, judge; what was measured is kept. Repeatable: each has a clone of its own."""
    context = session.context
    followed = replica.standing(context).follows
    apis = bool(serving.served(context))
    listings = views.timed(context) if apis else {}
    before = answers.of_source(context) if apis else {}
    began = time.monotonic()
    with clone.running(context):
        cloned = round(time.monotonic() - began, 2)
        earlier = [before, answers.of_source(context, before)] if before else []
        copies, password = clone_urls.lead(context)
        session.tell(f"the clone answers after {cloned:.1f} s")
        looked = clone_upgrade.look(context)
        projects: dict[str, Any] = {}
        for recipe in concerned(context):
            one = clone_upgrade.upgrade(context, recipe, copies)
            one["wrong"] = [said.replace(password, "***") for said in one["wrong"]]
            projects[recipe.project] = one
            session.tell(f"{recipe.project}: {one['seconds']:.1f} s")
        shadow: dict[str, Any] = {}
        if before and not any(one["wrong"] for one in projects.values()):
            shadow = _shadow(session, copies, earlier)
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "clone_seconds": cloned,
        "look_seconds": looked,
        "listings": listings,
        "followed": followed,
        "projects": projects,
        "shadow": shadow,
    }
    predicted = _predictions(session.plan, projects)
    rehearsed.keep(context, found)
    return {**found, "predicted": predicted, "predicts": _predictions(compose(context), projects)}


def _shadow(
    session: Session, copies: list[ServiceDatabase], earlier: list[dict[str, Listing]]
) -> dict[str, Any]:
    """What the release's APIs answer from *copies*, which are upgraded, and what they tried.

    {"start_seconds": 21.4, "seconds": 9.2, "apis": ["keystone"], "never": {"nova-conductor": ""},
    "views": [{"name": "admin", "kinds": {"image": 4}, "fields": 90, "allowed": {}, "differences":
    []}], "dead": [], "left": 0, "left_to": [], "own": 3, "own_to": [["tcp 192.0.2.12:5672",
    "nova"]], "memory": 512000000}
    """
    context = session.context
    began = time.monotonic()
    with serving.running(context, copies) as gate:
        started = time.monotonic()
        session.tell(f"the release's APIs answer on the clone after {started - began:.1f} s")
        found = answers.ask(context, gate, earlier, session.tell)
        ended = time.monotonic()
        state = serving.state(context)
    return {
        "start_seconds": round(started - began, 2),
        "seconds": round(ended - started, 2),
        "apis": [one.unit.name for one in serving.served(context)],
        "never": serving.never(context),
        "views": [one.document for one in found],
        **state,
    }


def _predictions(plan: Plan, projects: Iterable[str]) -> dict[str, float]:
    """What *plan* says of each project's schema step, in seconds."""
    steps = {step.id: step.estimate for step in plan}
    return {project: steps[f"{project}.schema"] for project in projects}


def wrong(found: dict[str, Any]) -> list[str]:
    """What of the upgrade *found* failed, a line each with its project."""
    return [f"{name}: {one}" for name, p in found["projects"].items() for one in p["wrong"]]


def differs(found: dict[str, Any]) -> list[str]:
    """How the release's APIs were *found* to be other than the source's, a line each."""
    if not (shadow := found["shadow"]):
        return []
    lines = [
        answers.told(one, view["name"]) for view in shadow["views"] for one in view["differences"]
    ]
    lines += [f"{unit} ended while it was asked" for unit in shadow["dead"]]
    if shadow["left"]:
        tried = ", ".join(f"{user} {where}" for where, user in shadow["left_to"]) or "by IPv6"
        lines.append(f"{shadow['left']} packets wanted to leave for elsewhere ({tried})")
    return lines


def remarks(context: Context) -> Iterator[Finding]:
    """What the window ought to know of the last rehearsal: that there was none, or what it told."""
    if not (found := rehearsed.kept(context)):
        yield warning(
            "no rehearsal of this hop is kept: nobody knows that the upgrade goes over this data, "
            "or that the release answers as the source does",
            "`migrate rehearse --execute` shows both while the source serves",
        )
    elif told := [*wrong(found), *differs(found)]:
        yield warning(
            f"the rehearsal of {found['at']} told: {some(told, REMARKED, '; ')}",
            "Unless it is meant: mend what it names, `migrate follow --execute`, rehearse again",
        )
