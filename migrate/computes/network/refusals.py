"""What forbids to move the network agents, each with its remedy."""

from collections.abc import Collection, Iterator
from functools import partial

from migrate.cloud import Context
from migrate.cloud.api import Api
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.computes import units
from migrate.computes.network import reading
from migrate.computes.network.facts import (
    CARGO,
    KNOWN,
    ROUTERS,
    SWITCH,
    Agent,
    Facts,
    Noted,
    Router,
)
from migrate.configuration import files
from migrate.engine import finding
from migrate.engine.finding import Finding, error, filled, on_each
from migrate.errors import MigrateError, PreconditionError, some
from migrate.onhost import call

NAME = "network-agents"
SHOWN = 5  # routers that one finding names
FILES = "/etc/neutron/plugins/ml2/openvswitch_agent.ini", "/etc/neutron/l3_agent.ini"


def findings(context: Context) -> list[Finding]:
    """All that stands against it, of the cloud and of the target's controllers."""
    facts = reading.read(reading.api(context))
    source, target = (reading.names(one.controllers) for one in (context.source, context.target))
    stay = [*target, *reading.names(context.source.network_hosts)]
    noted, resting = reading.noted(context), reading.resting(context)
    stopped = {name for name in noted if noted[name] or resting[name]}
    found = of_cloud(facts, noted, stopped, source, stay)
    found += on_each(context.target.controllers, partial(on_host, context))
    return list(filled(found, check=NAME))


def refuse(context: Context) -> None:
    """PreconditionError that tells every error among the findings."""
    finding.refuse(findings(context))


def foresee(context: Context) -> None:
    """PreconditionError where the way back would find nobody to give back what came over.

    A dead target need not be asked: what it carried went with it. One that lives still carries it,
    beside the source's agents, until its neutron has them take it.
    """
    if not context.target.controllers or reading.untouched(context):
        return
    try:
        reading.read(reading.api(context))
    except MigrateError as failure:
        names = ", ".join(reading.names(context.target.controllers))
        raise PreconditionError(
            "network agents have come over, and the target cannot be asked to give back what they "
            f"carry ({failure}). Nothing was begun: mend that, or switch {names} off, which leaves "
            "networks and routers dark until the source serves; then the same again"
        ) from failure


def of_cloud(
    facts: Facts,
    noted: Noted,
    stopped: Collection[str],
    source: Collection[str],
    stay: Collection[str],
) -> list[Finding]:
    """What neutron tells that no code here moves, or that must be in order first.

    *stopped* are hosts of the source whose agents are down by our own hand, *stay* those whose
    agents are not moved.
    """
    found = list(_routers(facts.routers.values()))
    found += _several(facts, noted)
    for agent in facts.agents:
        if not agent.at(stay):
            found += _agent(agent, stopped, source)
    return found


def _routers(routers: Collection[Router]) -> Iterator[Finding]:
    for word, those in (
        ("highly available", [one.name or one.id for one in routers if one.ha]),
        ("distributed", [one.name or one.id for one in routers if one.distributed]),
    ):
        if those:
            yield error(
                f"routers are {word}: {some(those, SHOWN)}",
                "Only legacy routers on one agent are moved: convert them, which costs each an "
                "outage of its own, or leave the network agents where they are",
            )


def _several(facts: Facts, noted: Noted) -> Iterator[Finding]:
    """What several agents carry; what was noted may be on its way."""
    for cargo in CARGO:
        moving = {one for kept in noted.values() for one in kept.get(cargo.name, {})}
        for one, agents in facts.holders(cargo).items():
            if len(agents) > 1 and one not in moving:
                names = ", ".join(sorted(agent.host for agent in agents))
                yield error(
                    f"{cargo.name[:-1]} {one} is carried by {cargo.agent} on {names}",
                    "Leave it one of them (`openstack network agent remove`), and set "
                    "dhcp_agents_per_network to 1",
                )


def network_hosts(context: Context, api: Api) -> list[Agent]:
    """Agents that carry networks, on hosts that the stack file does not name for it: no steps bring
    them over.
    """
    sides = (context.source, context.target)
    names = [
        name for one in sides for name in reading.names((*one.controllers, *one.network_hosts))
    ]
    agents = reading.list_agents(api)
    return [one for one in agents if one.binary in KNOWN[1:] and not one.at(names)]


def elsewhere(agent: Agent) -> Finding:
    """What is told of one of `network_hosts`, and of any such agent."""
    return error(
        f"{agent.binary} is on no controller of the source or the target, and on no network host "
        "that the stack's file names: it is not settled",
        "Name its host in sidestep:source.networkHosts, where it runs no servers; else move what "
        "it carries to another's agent (`openstack network agent remove network`, `add network`; "
        "the same with routers), stop it and delete its record",
        agent.host,
    )


def without_agents(name: str) -> Finding:
    """What is told of the network host *name* where it has none."""
    return error(
        "neutron knows no agent there",
        "Name it in sidestep:source.networkHosts as `openstack network agent list` does",
        name,
    )


def _agent(agent: Agent, stopped: Collection[str], source: Collection[str]) -> Iterator[Finding]:
    if agent.binary not in KNOWN:
        yield error(
            f"{agent.binary} is an agent that no code here moves",
            f"Only {', '.join(KNOWN)} are moved",
            agent.host,
        )
    elif not agent.at(source):
        if agent.binary != SWITCH:  # that one is settled with its compute host
            yield elsewhere(agent)
    elif not (agent.alive and agent.enabled) and not agent.at(stopped):
        yield error(
            f"{agent.binary} is down or disabled, so it does not let go what it carries",
            "Bring it back, or delete its record if it carries nothing",
            agent.host,
        )


def of_host(context: Context, host: Host, facts: Facts) -> Iterator[Finding]:
    """What forbids to exchange the agents of the network host *host*, by neutron and its files."""
    agents = facts.at([host.name])
    if not agents:
        yield without_agents(host.name)
    for agent in agents:
        if agent.binary not in KNOWN:
            yield error(
                f"{agent.binary} is an agent that no code here renews",
                f"Only {', '.join(KNOWN)} are",
            )
        elif not (agent.alive and agent.enabled):
            yield error(
                f"{agent.binary} is down or disabled: what it carries cannot be told from what it "
                "would take down",
                "Bring it back, or delete its record if it carries nothing",
            )
    running = units.running(context, host)
    if apart := sorted({one.binary for one in agents} & {*KNOWN} - running.keys()):
        yield error(
            f"neutron hears {', '.join(apart)}, and no unit of that name runs there",
            "Only units of the system's packages are renewed in place",
        )
    held = facts.held_at([host.name], ROUTERS)
    yield from _routers([one for id_, one in facts.routers.items() if id_ in held])
    yield from _mode(Ini.parse(files.read(host, FILES).get(FILES[1], "")))


def on_host(context: Context, host: Host) -> list[Finding]:
    """What a controller of the target lacks to carry networks."""
    units = [one for recipe in context.recipes for one in recipe.target_data_plane_units]
    known = {one.removesuffix(".service") for one in call(host, "systemd.show", units)}
    found = [
        error(f"{unit} is not installed", "Run `pulumi up` again")
        for unit in units
        if unit not in known
    ]
    texts = files.read(host, FILES)
    switch, routing = (Ini.parse(texts.get(path, "")) for path in FILES)
    return [*found, *_mode(routing), *_bridges(host, switch), *_tunnels(host, switch)]


def _mode(routing: Ini) -> Iterator[Finding]:
    mode = routing.get("DEFAULT", "agent_mode") or "legacy"
    if mode != "legacy":
        yield error(
            f"{FILES[1]} has agent_mode = {mode}, which no code here moves",
            "Only legacy routers are moved",
        )


def _bridges(host: Host, switch: Ini) -> Iterator[Finding]:
    there = call(host, "switch.bridges")
    for mapping in (switch.get("ovs", "bridge_mappings") or "").split(","):
        network, _, bridge = mapping.strip().partition(":")
        if bridge and bridge not in there:
            yield error(
                f"bridge {bridge} of {network} is missing, which bridge_mappings in {FILES[0]} "
                "names",
                f"Make it there, with the interface to {network} as a port, so that a reboot "
                "keeps it",
            )


def _tunnels(host: Host, switch: Ini) -> Iterator[Finding]:
    if not (switch.get("agent", "tunnel_types") or "").strip():
        return
    own = call(host, "addresses.own")
    address = (switch.get("ovs", "local_ip") or "").strip()
    if address not in own:
        yield error(
            f"local_ip = {address} in {FILES[0]} is no address of this host",
            "Give it an address in the network of the tunnels, and name it there",
        )
