"""No way back any more: what only the old release needed is purged, and the target let go.

`steps` are those of `migrate finish`, `refusals.findings` what is asked before, and `purge.planned`
what would go, what stays, and why. The cloud is asked for all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from migrate.cloud import Context
from migrate.engine.plan import Action, Check, Impact, Phase, Step
from migrate.finish import address, agents, caps, mark, online, schemas, services, traces
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
    needs: tuple[Step, ...] = (),
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
AGENTS = _step(
    "agents",
    "Delete neutron's records of the source's agents, which are stopped",
    agents.purged,
    agents.purge,
    needs=(MARK,),
    seconds=3,
)
SERVICES = _step(
    "services",
    "Delete nova's records of the source's control units, the hidden ones too",
    services.purged,
    services.purge,
    needs=(MARK, AGENTS),
    seconds=3,
)
# the records of old control units count in the minimum that a service asks for as it starts
CAPS = _step(
    "caps",
    "Let nova's services speak the target's release, and restart them",
    caps.lifted,
    caps.lift,
    needs=(SERVICES,),
    impact=Impact.COMPUTE_RESTARTS,
    seconds=20,
)


def _online(recipe: Recipe) -> Step:
    return _step(
        f"{recipe.project}-online",
        f"Run {recipe.project}'s online data migrations until nothing is completed any more",
        never,
        partial(online.migrate, recipe=recipe),
        needs=(CAPS,),
        seconds=15,
    )


def steps(recipes: tuple[Recipe, ...]) -> Iterator[Step]:
    """In the order that worked (facts of the lab): records, caps, data, and then what is ours."""
    yield from (MARK, AGENTS, SERVICES, CAPS)
    data = [_online(recipe) for recipe in recipes if recipe.online]
    yield from data
    schemas_whole = _step(
        "schemas",
        "See that no schema waits for a contract migration: those ran in the window",
        schemas.whole,
        schemas.refuse,
        needs=(CAPS, *data),
        seconds=10,
    )
    yield schemas_whole
    released = _step(
        "address",
        "Let go of the private address and of the filter against the source's controllers",
        address.released,
        address.release,
        needs=(schemas_whole,),
        seconds=5,
    )
    yield released
    ended: tuple[tuple[str, str, Callable[[Context], bool], Callable[[Context], None]], ...] = (
        ("traces", "Take away key, timer and notes on the controllers", *traces.OF_CONTROLLERS),
        ("hosts", "Take away the notes on compute hosts", *traces.OF_COMPUTES),
    )
    for name, title, done, apply in ended:
        yield _step(name, title, done, apply, needs=(released,), seconds=3)
