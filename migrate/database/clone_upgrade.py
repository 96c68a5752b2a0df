"""The real upgrade of a project by the release's own tools, in the clone: timed and judged.

The tools have no network and cannot meet the first server: they reach the clone by its socket, or
nothing. Each runs as a whole program, most of whose time is its start, which the window does not
pay: so all of them run once more over what is upgraded, and the difference is the work.
"""

import time
from typing import Any

from migrate.cloud import Context
from migrate.database import baseline, clone, connection, failure, heads, rebuilt, tools
from migrate.database.service_databases import ServiceDatabase
from migrate.errors import StepError
from migrate.services.base import Recipe

# what they tell comes to us, and not into the files of the services that will run here
TELLING = {"OS_DEFAULT__LOG_DIR": "", "OS_DEFAULT__LOG_FILE": "", "OS_DEFAULT__USE_STDERR": "true"}


def look(context: Context) -> float:
    """How many seconds it takes to look at every table of the clone, as the window's proofs do."""
    began = time.monotonic()
    baseline.of(context, context.target.database, clone.SOCKET)
    return round(time.monotonic() - began, 2)


def upgrade(context: Context, recipe: Recipe, copies: list[ServiceDatabase]) -> dict[str, Any]:
    """Bring *recipe*'s databases among *copies* to the release.

    {"seconds": 9.1, "start": 6.2, "work": 2.9, "tools": [{"tool": "nova-manage api_db sync",
    "about": "", "seconds": 4.1, "upgrades": [["d67eeaabee36", 0.2]]}], "rebuilt": [{"table":
    "nova.instances", "rows": 3, "bytes": 16384}], "wrong": [""]}
    """
    mine = [one for one in copies if one.project == recipe.project]
    names = [one.name for one in mine]
    target = context.target.database
    with connection.session(target, clone.SOCKET) as link:
        before = rebuilt.tables(link, names)
    ran, wrong = _run(context, recipe, mine)
    wrong = wrong or heads.behind(context, recipe, mine, clone.SOCKET)
    with connection.session(target, clone.SOCKET) as link:
        anew = rebuilt.rebuilt(before, rebuilt.tables(link, names))
    again: list[dict[str, Any]] = []
    if not wrong:
        again, wrong = _run(context, recipe, mine)
        wrong = [f"once more, over what it had upgraded: {one}" for one in wrong]
    seconds, start = (round(sum(one["seconds"] for one in those), 2) for those in (ran, again))
    told = sum(lasted for one in ran for _, lasted in one["upgrades"])  # not all tools tell
    return {
        "seconds": seconds,
        "start": start,
        "work": round(max(told, seconds - start), 2),
        "bytes": sum(one.bytes for one in before.values()),
        "tools": ran,
        "rebuilt": [
            {"table": name, "rows": one.rows, "bytes": one.bytes} for name, one in anew.items()
        ],
        "wrong": wrong,
    }


def _run(
    context: Context, recipe: Recipe, mine: list[ServiceDatabase]
) -> tuple[list[dict[str, Any]], list[str]]:
    """How long each tool took, up to the one that failed, and what that one said."""
    ran: list[dict[str, Any]] = []
    own = {**tools.environment(recipe, mine), **TELLING}
    for call in tools.calls(recipe, recipe.sync, mine):
        led = tools.Call(call.tool, own | dict(call.environment), call.about)
        answer = _ended(context, recipe, led)
        name = " ".join(call.tool.argv)
        shown = {key: answer[key] for key in ("seconds", "upgrades")}
        ran.append({"tool": name, "about": call.about, **shown})
        if answer["status"] not in call.tool.accepted:
            last = answer["upgrades"][-1][0] if answer["upgrades"] else ""
            about = f" ({call.about})" if call.about else ""
            said = failure.told(answer["output"], last)
            return ran, [f"{name}{about} exited {answer['status']}: {said}"]
    return ran, []


def _ended(context: Context, recipe: Recipe, call: tools.Call) -> dict[str, Any]:
    """The answer of *call*, asked again as long as it wants that; all that it took."""
    seconds, upgrades = 0.0, []
    for _ in range(tools.ROUNDS):
        answer = tools.cold(context, context.target.tools, recipe, call, hidden=clone.HIDDEN)
        seconds += answer["seconds"]
        upgrades += answer["upgrades"]
        if answer["status"] not in call.tool.repeat_while:
            return {**answer, "seconds": round(seconds, 2), "upgrades": upgrades}
    raise StepError(f"{context.target.tools.name}: {call} asks for another run without end")
