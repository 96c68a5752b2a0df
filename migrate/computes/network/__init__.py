"""Network agents come over: started on the target, given what they carry, stopped on the source.

`steps` are theirs in `migrate settle`; `refusals.findings` is what is asked before.
"""

from collections.abc import Iterator
from functools import partial

from migrate.computes.network import dhcp, routers, start, stop
from migrate.engine.plan import Impact, Phase, Step, step
from migrate.services.base import Recipe

_quiet = partial(step, Phase.SETTLE, Impact.NONE)

START = _quiet(
    "network.start",
    "Start the network agents of the target",
    (start.running, start.start, start.stop),
    seconds=60,
)
NETWORKS = step(
    Phase.SETTLE,
    Impact.DHCP_MOVES,
    "network.dhcp",
    "Move each network to a DHCP agent of the target",
    (dhcp.moved, dhcp.move, dhcp.give_back),
    after=[START],
    seconds=60,
)
ROUTERS = step(
    Phase.SETTLE,
    Impact.ROUTERS_MOVE,
    "network.routers",
    "Hand each router over to an L3 agent of the target",
    (routers.moved, routers.move, routers.give_back),
    after=[NETWORKS],
    seconds=60,
)
STOP = _quiet(
    "network.stop",
    "Stop the network agents of the source for good",
    (stop.stopped, stop.stop, stop.start_again),
    after=[ROUTERS],
    seconds=20,
)


def steps(recipes: tuple[Recipe, ...]) -> Iterator[Step]:
    """In their order; none for a cloud without network agents."""
    if any(one.target_data_plane_units for one in recipes):
        yield from (START, NETWORKS, ROUTERS, STOP)
