"""No way back any more: what only the old release needed is purged, and the target let go.

`steps` are those of `migrate finish`, `refusals.findings` what is asked before, and `purge.planned`
what would go, what stays, and why. The cloud is asked for all of it.
"""

from collections.abc import Iterable, Iterator
from functools import partial

from migrate.cloud import Context
from migrate.engine.plan import Action, Check, Impact, Phase, Step
from migrate.finish import (
    address,
    agents,
    by_tool,
    caps,
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


def _step(
    step: str,
    title: str,
    done: Check,
    apply: Action,
    *,
    seconds: float,
    needs: Iterable[Step] = (),
    impact: Impact = Impact.NONE,
) -> Step:
    return Step(
        id=f"finish.{step}",
        title=title,
        phase=Phase.FINISH,
        done=done,
        apply=apply,
        revert=None,
        needs=tuple(one.id for one in needs),
        impact=impact,
        estimate=seconds,
    )


MARK = _step(
    "mark",
    "Mark every machine: from here there is no way back",
    mark.marked,
    mark.mark,
    seconds=5,
)


def _records(recipes: tuple[Recipe, ...]) -> list[Step]:
    """Each after the one before it: old records count in the minimum that nova asks for as it
    starts, so they go before what reads it is restarted.
    """
    found = [MARK]
    if any(recipe.target_data_plane_units for recipe in recipes):
        found.append(
            _step(
                "agents",
                "Delete neutron's records of the source's agents, which are stopped",
                agents.purged,
                agents.purge,
                needs=found,
                seconds=3,
            )
        )
    if by_tool.removed(recipes):
        found.append(
            _step(
                "records",
                "Remove records of the source's control units that no API deletes, by the tool",
                by_tool.purged,
                by_tool.purge,
                needs=found,
                seconds=6,
            )
        )
    if any(recipe.cells for recipe in recipes):
        found.append(
            _step(
                "services",
                "Delete nova's records of the source's control units, the hidden ones too",
                services.purged,
                services.purge,
                needs=found,
                seconds=3,
            )
        )
        found.append(
            _step(
                "caps",
                "Let nova's services speak the target's release, and restart them",
                caps.lifted,
                caps.lift,
                needs=found,
                impact=Impact.COMPUTE_RESTARTS,
                seconds=20,
            )
        )
    return found


def _data(recipes: tuple[Recipe, ...], after: list[Step]) -> list[Step]:
    found = [
        _step(
            f"{recipe.project}-online",
            f"Run {recipe.project}'s online data migrations until nothing is completed any more",
            never,
            partial(online.migrate, recipe=recipe),
            needs=after,
            seconds=15,
        )
        for recipe in recipes
        if recipe.online
    ]
    whole = _step(
        "schemas",
        "See that no schema waits for a contract migration: those ran in the window",
        schemas.whole,
        schemas.refuse,
        needs=[*after, *found],
        seconds=10,
    )
    return [*found, whole]


def _traces(after: list[Step]) -> Iterator[Step]:
    released = _step(
        "address",
        "Let go of the private address and of the filter against the source's controllers",
        address.released,
        address.release,
        needs=after,
        seconds=5,
    )
    yield released
    yield _step(
        "traces",
        "Take away key, timer and notes on the controllers",
        traces.gone_from_controllers,
        traces.clear_controllers,
        needs=[released],
        seconds=3,
    )
    yield _step(
        "hosts",
        "Take away the notes on compute hosts",
        traces.gone_from_computes,
        traces.clear_computes,
        needs=[released],
        seconds=3,
    )


def steps(recipes: tuple[Recipe, ...]) -> Iterator[Step]:
    """In the order that worked (facts of the lab): records, caps, data, and then what is ours."""
    yield from (records := _records(recipes))
    yield from (data := _data(recipes, records))
    yield from _traces(data)
