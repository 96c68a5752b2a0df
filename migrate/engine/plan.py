"""What will be done: steps, the phases they belong to, and the plan. Pure data, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError
from hashlib import sha256
from typing import TYPE_CHECKING

from migrate.engine.order import Order

if TYPE_CHECKING:
    from migrate.cloud import Context

Action = Callable[["Context"], None]
Check = Callable[["Context"], bool]


class Phase(StrEnum):
    """The commands of the way over, in order."""

    FOLLOW = "follow"  # the source serves; the target is made ready
    CUTOVER = "cutover"  # the window
    ACCEPT = "accept"  # the operator's word: shared storage is not held any more
    STORAGE = "storage"  # the target serves; the old monitors leave, hosts with OSDs come over
    SETTLE = "settle"  # the target serves; compute hosts come over
    FINISH = "finish"  # no way back any more
    UPDATE = "update"  # newer pins of the target's release, before or after that


class Impact(StrEnum):
    """What users of the cloud notice while a step runs."""

    NONE = "none"
    API_CLOSED = "API closed"
    ADDRESS_MOVES = "virtual IP moves"
    AGENTS_RECONNECT = "agents reconnect"
    DHCP_MOVES = "DHCP rests, 5 s each"
    ROUTERS_MOVE = "routers dark, 1 s each"
    SERVERS_MOVE = "servers move, by policy"
    STORAGE_RESTS = "disks rest, seconds"
    COMPUTE_RESTARTS = "nova's API rests, 9 s"


def nothing(_: Context) -> None:
    """The way back of a step that only asks."""


@dataclass(frozen=True, slots=True)
class Step:
    """One journalled unit of work.

    `done` asks the machines themselves, never the journal; it has no default, so that nobody can
    forget it. `apply` and `revert` are safe to repeat: a run that dies inside one starts it
    again. `revert=None` marks a point of no return. What `apply` makes, `revert` removes, also
    when `apply` died half-way. Where `returns` is not set, `revert` refuses (IrreversibleError)
    once the machines say that it has begun, and whoever runs it asks for that by a host's name.
    `estimate` is in seconds, measured in the lab until something was measured here; of what `grows`
    it goes with the data.
    """

    id: str
    title: str
    phase: Phase
    done: Check
    apply: Action
    revert: Action | None
    needs: tuple[str, ...] = ()  # ids; steps that do not need each other may run side by side
    impact: Impact = Impact.NONE
    estimate: float = 1.0
    returns: bool = True
    grows: bool = False

    @property
    def way_back(self) -> bool:
        """Whether it is undone once it was done."""
        return self.revert is not None and self.returns


def step(
    phase: Phase,
    impact: Impact,
    id_: str,
    title: str,
    act: tuple[Check, Action, Action | None],  # is it done, do it, undo it
    *,
    after: Iterable[Step] = (),
    seconds: float,
    returns: bool = True,
    grows: bool = False,
) -> Step:
    """A step that names others as objects, as the pages do on which steps stand in their order."""
    needs = tuple(one.id for one in after)
    return Step(id_, title, phase, *act, needs, impact, seconds, returns, grows)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order that satisfies every `needs`."""

    steps: tuple[Step, ...]

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Plan:
        """Check ids and needs, and order the steps: by phase, then as given where needs allow.

        Raises ValueError for a repeated id, an unknown need or a circle: a bug in a recipe.
        """
        by_phase = sorted(steps, key=lambda step: list(Phase).index(step.phase))
        known = {step.id: step for step in by_phase}
        if repeated := [id_ for id_, times in Counter(s.id for s in by_phase).items() if times > 1]:
            raise ValueError(f"steps repeat: {', '.join(sorted(repeated))}")
        if unknown := {need for step in by_phase for need in step.needs} - known.keys():
            raise ValueError(f"steps need what is not there: {', '.join(sorted(unknown))}")
        try:
            order = Order({step.id: step.needs for step in by_phase})
        except CycleError as error:
            raise ValueError(f"steps need each other: {' → '.join(error.args[1])}") from error
        ordered: list[Step] = []
        while order:
            ordered.append(known[order.take()])
            order.done(ordered[-1].id)
        return cls(tuple(ordered))

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def phase(self, *phases: Phase) -> Plan:
        """Only the steps of *phases*; needs on earlier phases are dropped, their steps are done."""
        return Plan(tuple(step for step in self.steps if step.phase in phases))

    def fingerprint(self, phase: Phase) -> str:
        """Hex digest over a phase's ids in order; a journal only resumes the same ones."""
        ids = [step.id for step in self.steps if step.phase is phase]
        return sha256("\n".join(ids).encode()).hexdigest()[:16]


def longest_path(
    plan: Plan, seconds: Callable[[Step], float] = lambda step: step.estimate
) -> float:
    """Along the longest chain of needs: what the steps take run side by side, *seconds* each."""
    ends: dict[str, float] = {}
    for step in plan:
        before = max((ends[need] for need in step.needs if need in ends), default=0.0)
        ends[step.id] = before + seconds(step)
    return max(ends.values(), default=0.0)
