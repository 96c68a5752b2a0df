"""What holds connections through the virtual IP: agents and computes, reconnected on purpose.

An agent that waits for a lost answer is absent for up to a minute, and a new server that gets no
address from DHCP in that time gives up; a restarted one is there in seconds. Going back they are
restarted too, but only when the source's own services run again: that is why they are recorded
before the fence.

Agents that lay flows are left alone, both ways. The broker that they know is stopped before the
address moves, so their connections break and they dial again within seconds; what they had asked
for at the fence they ask again after half a minute. A restart is worse than the wait: neutron's OVS
agent that starts while users make and delete ports removes the flows of before ahead of laying its
own (all servers of a host dark for 5 s), and a connection that meets no rule then is dropped for as
long as it lasts (measured on 2025.1 in the lab: two of three pings stayed dark).
"""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.configuration import broker
from migrate.errors import StepError
from migrate.onhost import call
from migrate.services.base import Recipe

LISTEN_SECONDS = 60.0
REMEDY = "Start it, then go on"
SECONDS = 240.0  # a loaded compute host took 70 s to say that it is ready


def note(context: Context) -> None:
    """Note which agents and computes run; source controllers carry agents too."""
    units = {unit for recipe in context.recipes for unit in _restartable(recipe)}
    call_each(context.source.of_services, "agents.note", sorted(units))


def noted(context: Context) -> bool:
    """Whether every host has noted it; those that came over since have, too."""
    return all(state in ("noted", "reconnected") for state in _states(context))


def forget(context: Context) -> None:
    """Restart what ran, now that the source's own services run again, and forget it."""
    _restart(context, "agents.forget")


def reconnect(context: Context) -> None:
    """Restart what was noted, once somebody listens to what it will ask first.

    A question that is asked before that is lost, and its agent waits a minute for the answer; so
    nothing is lost but time when nobody listens in time.
    """
    noted = {
        unit for units in call_each(context.source.of_services, "agents.noted") for unit in units
    }
    if asked := [q for r in context.recipes if noted & _restartable(r) for q in r.queues]:
        broker.wait_for_listeners(context, asked, LISTEN_SECONDS)
    _restart(context, "agents.reconnect")


def reconnected(context: Context) -> bool:
    """Whether every host has reconnected what it had noted."""
    return all(state == "reconnected" for state in _states(context))


def disconnect(context: Context) -> None:
    """As before `reconnect`; `forget` restarts them."""
    call_each(context.source.of_services, "agents.disconnect")


def _states(context: Context) -> list[str]:
    return list(call_each(context.source.of_services, "agents.state"))


def _restart(context: Context, function: str) -> None:
    def act(host: Host) -> None:
        if wrong := call(host, function, SECONDS, timeout=SECONDS + 60):
            raise StepError(f"{host.name}: not every agent came back: {'; '.join(wrong)}. {REMEDY}")

    hosts.gather(context.source.of_services, act)


def _restartable(recipe: Recipe) -> set[str]:
    return {*recipe.source_data_plane_units, *recipe.compute_units} - set(recipe.forwarding_units)
