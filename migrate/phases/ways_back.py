"""Which way back is left, for the whole and for each compute host that has come over.

The machines are asked: the controllers' marks, nova's records, and who keeps what is a host's own.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from migrate.cloud import Context
from migrate.computes import estimates, installers, versions
from migrate.computes.installers import REINSTALL, standing
from migrate.computes.reinstalling import keeping
from migrate.engine import markers
from migrate.errors import MigrateError, some

NAMES = 8  # of hosts that one line names
NONE = "none any more: `migrate finish` has begun"
WHOLE = "`migrate rollback --stack {} --execute`: back to the source as it was at the cutover"
ALONE = "{} (`migrate settle --back --host NAME --execute`)"
STUCK = (
    "none by itself, since no host of the old release is left in its cell; the whole can go back"
)
BETWEEN = (
    "it is between two systems: the same `migrate settle` goes on, or `migrate settle --back "
    "--host NAME --execute`"
)

Found = dict[str, Any]


def look(context: Context, machines: Found, none: str = "") -> Found:
    """`{"whole": "...", "hosts": {"cmp1": "..."}, "unknown": ""}`, {} before the target serves.

    *machines* is what they said of themselves, and *none* why the whole does not go back, though
    its hosts do; `unknown` is why hosts cannot be told.
    """
    stages = {stage for one in machines.values() for stage in one.get("stages", ())}
    if markers.FINISHED in stages:
        return {"whole": NONE, "hosts": {}, "unknown": ""}
    if markers.LIVE not in stages:
        return {}
    whole = f"none: {none}" if none else WHOLE.format(context.stack)
    found: Found = {"whole": whole, "hosts": {}, "unknown": ""}
    if any(recipe.cells for recipe in context.recipes):
        try:
            found["hosts"] = {**dict(_of_hosts(context)), **_of_carriers(context)}
        except MigrateError as error:
            found["unknown"] = str(error)
    return found


def _of_hosts(context: Context) -> Iterator[tuple[str, str]]:
    """Of those that have something of the target's release."""
    known, stages = versions.read(context), keeping.stages(context)
    new = known.computes.keys() - known.old
    stuck = {*known.stuck(new)}
    for name in (host.name for host in context.source.computes):
        stage = stages.get(name, "")
        if stage in keeping.BETWEEN:
            yield name, BETWEEN
        elif name in stuck:
            yield name, STUCK
        elif name in new:
            by = REINSTALL if stage in keeping.GONE else installers.chosen(context, name)
            yield (
                name,
                ALONE.format(estimates.WAYS_BACK[installers.bringing(context, name, by).WAY]),
            )


def _of_carriers(context: Context) -> Found:
    """Of network hosts, which say it themselves."""
    names = standing.over(context, context.source.network_hosts)
    return dict.fromkeys(sorted(names), ALONE.format(estimates.WAYS_BACK[estimates.Way.IN_PLACE]))


def lines(found: Found) -> Iterator[str]:
    """*found* of `look`: hosts that have the same in one line."""
    if not found:
        return
    yield f"way back of the whole: {found['whole']}"
    alike: dict[str, list[str]] = defaultdict(list)
    for name, told in found["hosts"].items():
        alike[told].append(name)
    for told, names in alike.items():
        yield f"way back of {some(names, NAMES)}: {told}"
    if found["unknown"]:
        yield f"way back of each host: not known: {found['unknown']}"
