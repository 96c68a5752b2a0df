"""Network agents come over: started on the target, given what they carry, stopped on the source.

`steps` are theirs in `migrate settle`; `refusals.findings` is what is asked before.
"""

from collections.abc import Iterator

from migrate.computes.network import dhcp, routers, start, stop
from migrate.engine.plan import Impact, Phase, Step
from migrate.services.base import Recipe

START = Step(
    id="network.start",
    title="Start the network agents of the target",
    phase=Phase.SETTLE,
    done=start.running,
    apply=start.start,
    revert=start.stop,
    estimate=60,
)
NETWORKS = Step(
    id="network.dhcp",
    title="Move each network to a DHCP agent of the target",
    phase=Phase.SETTLE,
    impact=Impact.DHCP_MOVES,
    done=dhcp.moved,
    apply=dhcp.move,
    revert=dhcp.give_back,
    needs=(START.id,),
    estimate=60,
)
ROUTERS = Step(
    id="network.routers",
    title="Hand each router over to an L3 agent of the target",
    phase=Phase.SETTLE,
    impact=Impact.ROUTERS_MOVE,
    done=routers.moved,
    apply=routers.move,
    revert=routers.give_back,
    needs=(NETWORKS.id,),
    estimate=60,
)
STOP = Step(
    id="network.stop",
    title="Stop the network agents of the source for good",
    phase=Phase.SETTLE,
    done=stop.stopped,
    apply=stop.stop,
    revert=stop.start_again,
    needs=(ROUTERS.id,),
    estimate=20,
)


def steps(recipes: tuple[Recipe, ...]) -> Iterator[Step]:
    """In their order; none for a cloud without network agents."""
    if any(one.target_data_plane_units for one in recipes):
        yield from (START, NETWORKS, ROUTERS, STOP)
