"""Routers: a few side by side from the old L3 agents to the new; the way back is the same.

Which those are is asked of the cloud and of the hosts: neutron says who carries a router, the old
host whether its name space still stands. So a run that died anywhere goes on.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.computes.network import handover, reading, refusals
from migrate.computes.network.assignment import assign, exists
from migrate.computes.network.facts import L3, ROUTERS, SWITCH, Agent, Facts, Noted, homes, spread
from migrate.computes.network.handover import Router
from migrate.errors import StepError
from migrate.onhost import call

START_SECONDS = 120.0


def moved(context: Context) -> bool:
    """Whether no router is carried or stands on the source, and all that did are on the target."""
    api = reading.api(context)
    facts = reading.read(api)
    if facts.held_at(reading.names(context.source.controllers), ROUTERS):
        return False
    noted = reading.noted(context)
    if any(_standing(host, _of(noted, host.name)) for host in context.source.controllers):
        return False
    there = facts.held_at(reading.names(context.target.controllers), ROUTERS)
    lacking = {one for host in noted for one in _of(noted, host)} - there.keys()
    return not any(exists(api, ROUTERS, one) for one in lacking)


def move(context: Context) -> None:
    """Note what each old host carries, then hand it over."""
    refusals.refuse(context)
    api = reading.api(context)
    facts, target = reading.read(api), context.target.controllers
    reading.note(context, facts, ROUTERS)
    noted = reading.noted(context)
    agents = facts.ready_at(reading.names(target), L3)
    for host in context.source.controllers:
        kept = _of(noted, host.name)
        there = facts.held_at(reading.names(target), ROUTERS)
        stand = _standing(host, kept)
        wanted = spread((one for one in kept if one in stand or one not in there), facts, agents)
        handover.run(context, api, host, _routers(facts, wanted, kept, target))


def give_back(context: Context) -> None:
    """The same back to where each was; what came to the target since goes to the source too."""
    if reading.untouched(context):
        return
    if context.target.controllers:
        _give_back(context, reading.api(context))
    # with a dead target nobody is asked; what rests or stands still here works again all the same
    call_each(context.source.controllers, "agent_units.thaw", SWITCH)
    call_each(context.source.controllers, "agent_units.disarm")
    call_each(context.source.controllers, "handed_over.forget", ROUTERS.name)


def _give_back(context: Context, api: Api) -> None:
    facts, noted = reading.read(api), reading.noted(context)
    kept = {one: devices for host in noted for one, devices in _of(noted, host).items()}
    there = facts.held_at(reading.names(context.target.controllers), ROUTERS)
    if not kept and not there:
        return
    _take_back(context, api, facts, noted)
    _revive(context, api)
    facts = reading.read(api)
    there = facts.held_at(reading.names(context.target.controllers), ROUTERS)
    home = facts.held_at(reading.names(context.source.controllers), ROUTERS)
    left = dict(homes({**kept, **there}, ROUTERS, facts, noted))
    for host in context.target.controllers:
        here = facts.held_at([host.name], ROUTERS)
        stand = _standing(host, left)
        mine = {one: agent for one, agent in left.items() if one in stand or one in here}
        routers = _routers(facts, mine, kept, context.source.controllers)
        handover.run(context, api, host, routers)
        left = {one: agent for one, agent in left.items() if one not in mine}
    lost = {one: agent for one, agent in left.items() if one not in home}  # nobody carries them
    routers = _routers(facts, lost, kept, context.source.controllers)
    handover.run(context, api, context.target.living, routers)


def _take_back(context: Context, api: Api, facts: Facts, noted: Noted) -> None:
    """What a run that died had given away, and still stands where it was, is given back as it is.

    Before its agent starts: that one removes what is not its own.
    """
    for host in context.source.controllers:
        kept = _of(noted, host.name)
        for one in sorted(_standing(host, kept)):
            assign(api, ROUTERS, one, homes([one], ROUTERS, facts, noted)[one])


def _revive(context: Context, api: Api) -> None:
    """The old agents are at work again before anything is given to them."""
    source = context.source.controllers
    before = reading.read(api).at(reading.names(source), L3, SWITCH)
    carriers = [reading.host_of(source, agent) for agent in before if agent.binary == L3]
    idle = [host for host in carriers if not call(host, "systemd.active", [L3])]

    def act(host: Host) -> None:
        if wrong := call(host, "systemd.start", [L3], START_SECONDS, timeout=200):
            raise StepError(f"{host.name}: {'; '.join(wrong)}. Start it, then the same again")

    hosts.gather(idle, act)
    still = [host for host in carriers if call(host, "agent_units.thaw", SWITCH)]
    reading.await_agents(api, reading.names(idle), [L3], before)
    reading.await_agents(api, reading.names(still), [SWITCH], before)


def _of(noted: Noted, host: str) -> dict[str, list[str]]:
    """The routers that *host* noted, each with its devices there."""
    return dict(noted[host].get(ROUTERS.name, {}))


def _standing(host: Host, those: dict[str, list[str]] | dict[str, Agent]) -> set[str]:
    """Those whose name space is on *host*."""
    if not those:
        return set()
    there = set(call(host, "namespaces.spaces"))
    return {one for one in those if f"qrouter-{one}" in there}


def _routers(
    facts: Facts,
    wanted: dict[str, Agent],
    devices: dict[str, list[str]],
    those: tuple[Host, ...],
) -> list[Router]:
    return [
        Router(
            id=one,
            name=facts.routers[one].name if one in facts.routers else one,
            agent=agent,
            host=reading.host_of(those, agent),
            devices=tuple(devices.get(one, ())),
        )
        for one, agent in wanted.items()
    ]
