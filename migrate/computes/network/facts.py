"""Network agents and what they carry, as neutron tells it; who is to carry what. Asks nobody."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from migrate.errors import StepError

DHCP, L3 = "neutron-dhcp-agent", "neutron-l3-agent"
METADATA, SWITCH = "neutron-metadata-agent", "neutron-openvswitch-agent"
KNOWN = (SWITCH, DHCP, L3, METADATA)  # names of their units too


@dataclass(frozen=True, slots=True, kw_only=True)
class Cargo:
    """What agents of one kind carry, and by which paths of neutron it is theirs."""

    name: str  # "routers", as notes on hosts call it
    agent: str
    held: str  # below an agent: what it carries
    field: str  # whose value says what an agent is given
    holders: str  # who carries one
    each: str  # one by itself


NETWORKS = Cargo(
    name="networks",
    agent=DHCP,
    held="dhcp-networks",
    field="network_id",
    holders="/networks/{}/dhcp-agents",
    each="/networks/{}",
)
ROUTERS = Cargo(
    name="routers",
    agent=L3,
    held="l3-routers",
    field="router_id",
    holders="/routers/{}/l3-agents",
    each="/routers/{}",
)
CARGO = (NETWORKS, ROUTERS)
Noted = Mapping[str, Mapping[str, Mapping[str, list[str]]]]
"""By source host what it gave away: {"old": {"routers": {id: names of its devices}}}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent. `beat` is the time of its last heartbeat, as neutron writes it, `started` that of
    its last start. `serves` is how much it has taken in hand since, by its own count.
    """

    id: str
    binary: str
    host: str
    alive: bool = True
    enabled: bool = True
    beat: str = ""
    started: str = ""
    serves: int = 0

    def at(self, hosts: Iterable[str]) -> bool:
        """Whether it is on one of *hosts*, which may be named with or without their domain."""
        return short(self.host) in {short(one) for one in hosts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    id: str
    name: str = ""
    ha: bool = False
    distributed: bool = False
    up: bool = True  # agents take one away that is not


@dataclass(frozen=True, slots=True)
class Facts:
    """`held` are ids of what each agent carries, by the agent's own id."""

    agents: tuple[Agent, ...]
    held: Mapping[str, tuple[str, ...]]
    routers: Mapping[str, Router]

    def at(self, hosts: Collection[str], *binaries: str) -> list[Agent]:
        """Agents on *hosts*, of *binaries* or of all."""
        return [
            one for one in self.agents if one.at(hosts) and (not binaries or one.binary in binaries)
        ]

    def ready_at(self, hosts: Collection[str], binary: str) -> list[Agent]:
        """Agents of *binary* on *hosts* that neutron hears; all where it hears none just now."""
        every = self.at(hosts, binary)
        return [one for one in every if one.alive and one.enabled] or every

    def held_at(self, hosts: Collection[str], cargo: Cargo) -> dict[str, Agent]:
        """What is carried on *hosts*, and by whom."""
        agents = self.at(hosts, cargo.agent)
        return {one: agent for agent in agents for one in self.held.get(agent.id, ())}

    def holders(self, cargo: Cargo) -> dict[str, list[Agent]]:
        """All that anybody carries, with everybody who does."""
        found: dict[str, list[Agent]] = {}
        for agent in self.agents:
            if agent.binary == cargo.agent:
                for one in self.held.get(agent.id, ()):
                    found.setdefault(one, []).append(agent)
        return found


def short(host: str) -> str:
    """The name of *host* without its domain."""
    return host.partition(".")[0].lower()


def spread(things: Iterable[str], facts: Facts, agents: Collection[Agent]) -> dict[str, Agent]:
    """Each of *things* to one of *agents*: to whoever has it, else to the one that has least.

    StepError where there are *things* and no *agents*.
    """
    has = {one: agent for agent in agents for one in facts.held.get(agent.id, ())}
    load = {agent.id: len(facts.held.get(agent.id, ())) for agent in agents}
    found: dict[str, Agent] = {}
    for one in things:
        if one in has:
            found[one] = has[one]
            continue
        if not agents:
            raise StepError(
                f"no agent is there to carry {one}; bring one back, then the same again"
            )
        found[one] = min(agents, key=lambda agent: (load[agent.id], agent.host))
        load[found[one].id] += 1
    return found


def homes(things: Iterable[str], cargo: Cargo, facts: Facts, noted: Noted) -> dict[str, Agent]:
    """Each of *things* to the agent of the host that noted it, else as by `spread` over those."""
    things = list(things)
    home = {one: host for host, kept in noted.items() for one in kept.get(cargo.name, {})}
    found = {one: facts.at([home[one]], cargo.agent) for one in things if one in home}
    back = {one: agents[0] for one, agents in found.items() if agents}
    if rest := [one for one in things if one not in back]:
        back.update(spread(rest, facts, facts.at(list(noted), cargo.agent)))
    return back
