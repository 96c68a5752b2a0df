"""No way back any more: what only the old release needed is purged, and the target let go.

`steps` are those of `migrate finish`, `refusals.findings` what is asked before, and `purge.planned`
what would go, what stays, and why. The cloud is asked for all of it.
"""

from collections.abc import Iterator
from functools import partial

from migrate.cloud import Context
from migrate.engine.plan import Impact, Phase, Step, step
from migrate.finish import (
    address,
    agents,
    by_tool,
    caps,
    ceph,
    mark,
    online,
    schemas,
    services,
    traces,
)
from migrate.services.base import Recipe


def never(_: Context) -> bool:
    """Only the tool itself can tell, and run again it changes nothing."""
    return False


_finish = partial(step, Phase.FINISH, Impact.NONE)

MARK = _finish(
    "finish.mark",
    "Mark every machine: from here there is no way back",
    (mark.marked, mark.mark, None),
    seconds=5,
)


def _records(recipes: tuple[Recipe, ...]) -> list[Step]:
    """Each after the one before it: old records count in the minimum that nova asks for as it
    starts, so they go before what reads it is restarted.
    """
    found = [MARK]
    if any(recipe.target_data_plane_units for recipe in recipes):
        found.append(
            _finish(
                "finish.agents",
                "Delete neutron's records of the source's agents, which are stopped",
                (agents.purged, agents.purge, None),
                after=found,
                seconds=3,
            )
        )
    if by_tool.removed(recipes):
        found.append(
            _finish(
                "finish.records",
                "Remove records of the source's control units that no API deletes, by the tool",
                (by_tool.purged, by_tool.purge, None),
                after=found,
                seconds=6,
            )
        )
    if any(recipe.cells for recipe in recipes):
        found.append(
            _finish(
                "finish.services",
                "Delete nova's records of the source's control units, the hidden ones too",
                (services.purged, services.purge, None),
                after=found,
                seconds=3,
            )
        )
        found.append(
            step(
                Phase.FINISH,
                Impact.COMPUTE_RESTARTS,
                "finish.caps",
                "Let nova's services speak the target's release, and restart them",
                (caps.lifted, caps.lift, None),
                after=found,
                seconds=20,
            )
        )
    return found


def _data(recipes: tuple[Recipe, ...], after: list[Step]) -> list[Step]:
    found = [
        _finish(
            f"finish.{recipe.project}-online",
            f"Run {recipe.project}'s online data migrations until nothing is completed any more",
            (never, partial(online.migrate, recipe=recipe), None),
            after=after,
            seconds=15,
        )
        for recipe in recipes
        if recipe.online
    ]
    whole = _finish(
        "finish.schemas",
        "See that no schema waits for a contract migration: those ran in the window",
        (schemas.whole, schemas.refuse, None),
        after=[*after, *found],
        seconds=10,
    )
    return [*found, whole]


def _traces(after: list[Step]) -> Iterator[Step]:
    released = _finish(
        "finish.address",
        "Let go of the private address and of the filter against the source's controllers",
        (address.released, address.release, None),
        after=after,
        seconds=5,
    )
    yield released
    yield _finish(
        "finish.traces",
        "Take away key, timer and notes on the controllers",
        (traces.gone_from_controllers, traces.clear_controllers, None),
        after=[released],
        seconds=3,
    )
    yield _finish(
        "finish.hosts",
        "Take away the notes on compute hosts, and what is kept here of them",
        (traces.gone_from_computes, traces.clear_computes, None),
        after=[released],
        seconds=3,
    )


CEPH = _finish(
    "finish.ceph",
    "Let Ceph ask its new release of every OSD, which is of it",
    (ceph.is_required, ceph.require, None),
    after=[MARK],
    seconds=2,
)


CEPH_ADDRESSES = _finish(
    "finish.ceph-addresses",
    "Take addresses that no monitor has any more out of every ceph.conf and attachment",
    (ceph.are_dropped, ceph.drop, None),
    after=[CEPH],
    seconds=1,
)


def steps(recipes: tuple[Recipe, ...], *, monitors: bool = False) -> Iterator[Step]:
    """In the order that worked (facts of the lab): records, caps, data, and then what is ours.

    With *monitors* Ceph's own daemons have come over, too.
    """
    yield from (records := _records(recipes))
    yield from (data := _data(recipes, records))
    ours = [CEPH, CEPH_ADDRESSES] if monitors else []
    yield from ours
    yield from _traces([*data, *ours])
