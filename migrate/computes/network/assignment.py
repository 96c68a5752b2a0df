"""Who carries a network or a router: taken from all others first, then given to one agent.

Given first and taken then, a network would have a second port, and its DHCP server another address.
"""

import time

from migrate.cloud.api import PASSING, Api, ApiError, unless_gone
from migrate.computes.network.facts import Agent, Cargo
from migrate.errors import StepError

SECONDS, PAUSE = 600.0, 1.0
AGAIN = (409, *PASSING)  # neutron has scheduled it meanwhile, or did not say what became of it


def assign(api: Api, cargo: Cargo, one: str, agent: Agent) -> bool:
    """Make *agent* the only one that carries *one*; False where that does not exist any more.

    Neutron schedules by itself what nobody carries: how it stands is asked until it is so.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if _settled(api, cargo, one, agent):
                return True
            said = "neutron gives it to others"
        except ApiError as error:
            if error.status == 404 and not exists(api, cargo, one):
                return False
            if error.status not in AGAIN:
                raise
            said = str(error)
            time.sleep(PAUSE)
        if time.monotonic() > deadline:
            raise StepError(
                f"{cargo.name[:-1]} {one} did not go to {agent.binary} on {agent.host} within "
                f"{SECONDS:.0f} s: {said}. See that this agent is alive, then the same again"
            )


def _settled(api: Api, cargo: Cargo, one: str, agent: Agent) -> bool:
    """Whether *agent* alone has *one*; if not, what is missing is done."""
    answer = api.get("network", cargo.holders.format(one))
    holders = [row["id"] for row in answer["agents"]]
    if holders == [agent.id]:
        return True
    for other in holders:
        if other != agent.id:
            api.send("DELETE", "network", f"/agents/{other}/{cargo.held}/{one}")
    if agent.id not in holders:
        api.send("POST", "network", f"/agents/{agent.id}/{cargo.held}", {cargo.field: one})
    return False


def exists(api: Api, cargo: Cargo, one: str) -> bool:
    """Whether neutron still knows *one*."""
    with unless_gone():
        api.get("network", cargo.each.format(one))
        return True
    return False
