"""Facts of network agents from neutron, by GETs, and what the source's hosts gave away."""

from collections.abc import Iterable
from typing import Any

from migrate.cloud import Context, hosts, login, wait
from migrate.cloud.api import Api, ApiError, unless_gone
from migrate.cloud.host import Host
from migrate.computes.network.facts import CARGO, Agent, Cargo, Facts, Noted, Router, short
from migrate.errors import StepError
from migrate.onhost import call

API = "network agents"  # what the connection is kept as
COUNTED = {one.agent: one.name for one in CARGO}  # in what an agent tells neutron of itself
ALIVE_SECONDS, ALIVE_PAUSE = 600.0, 2.0  # two busy cores answer after minutes


def api(context: Context) -> Api:
    """The administrator's API, kept between steps: at a controller's own address.

    The way back closes the virtual IP to users first.
    """
    if API not in context.extras:
        context.extras[API] = login.api(context, context.target.api)
    found: Api = context.extras[API]
    return found


def read(asked: Api) -> Facts:
    """All agents, what each carries, and every router; a call an agent beside two lists."""
    agents = list_agents(asked)
    held = {
        agent.id: _held(asked, cargo, agent)
        for cargo in CARGO
        for agent in agents
        if agent.binary == cargo.agent
    }
    return Facts(agents, held, {one.id: one for one in _routers(asked)})


def list_agents(asked: Api) -> tuple[Agent, ...]:
    """All agents; none for a cloud without neutron."""
    if "network" not in asked.bases:
        return ()
    return tuple(_agent(row) for row in asked.pages("network", "/agents", "agents"))


def _agent(row: dict[str, Any]) -> Agent:
    return Agent(
        id=row["id"],
        binary=row["binary"],
        host=row["host"],
        alive=row["alive"],
        enabled=row["admin_state_up"],
        beat=str(row.get("heartbeat_timestamp") or ""),
        started=str(row.get("started_at") or ""),
        serves=int((row.get("configurations") or {}).get(COUNTED.get(row["binary"], ""), 0)),
    )


def _held(asked: Api, cargo: Cargo, agent: Agent) -> tuple[str, ...]:
    answer = asked.get("network", f"/agents/{agent.id}/{cargo.held}")
    return tuple(sorted(one["id"] for one in answer[cargo.name]))


def _routers(asked: Api) -> list[Router]:
    """Every router; none where neutron has no such extension."""
    rows = []
    with unless_gone():
        rows = asked.pages("network", "/routers", "routers")
    return [
        Router(
            id=row["id"],
            name=row["name"],
            ha=bool(row.get("ha")),
            distributed=bool(row.get("distributed")),
            up=bool(row.get("admin_state_up", True)),
        )
        for row in rows
    ]


def noted(context: Context) -> Noted:
    """What each controller of the source has given away, by its name."""
    found = hosts.call_each(context.source.controllers, "handed_over.noted")
    return {host.name: one for host, one in zip(context.source.controllers, found, strict=True)}


def resting(context: Context) -> dict[str, list[str]]:
    """By controller of the source, which agents ran there and were stopped for good."""
    found = hosts.call_each(context.source.controllers, "agent_units.resting")
    return {
        host.name: [unit.removesuffix(".service") for unit in units]
        for host, units in zip(context.source.controllers, found, strict=True)
    }


def untouched(context: Context) -> bool:
    """Whether no agent of the target was ever started, nor anything given away.

    With all of the target dead its neutron is not asked, nor need be: the source's own never heard
    that its agents carry anything less.
    """
    started = any(hosts.call_each(context.target.controllers, "switch.noted"))
    return not started and not any(noted(context).values())


def note(context: Context, facts: Facts, cargo: Cargo) -> None:
    """Note on each controller of the source what its agents carry, before they give it away."""

    def act(host: Host) -> None:
        if held := sorted(facts.held_at([host.name], cargo)):
            call(host, "handed_over.note", cargo.name, held)

    hosts.gather(context.source.controllers, act)


def names(those: Iterable[Host]) -> list[str]:
    return [host.name for host in those]


def host_of(those: Iterable[Host], agent: Agent) -> Host:
    """The one of *those* that *agent* is on."""
    return next(host for host in those if short(host.name) == short(agent.host))


def await_agents(
    asked: Api, those: Iterable[str], binaries: Iterable[str], before: Iterable[Agent]
) -> None:
    """Until neutron has heard an agent of each of *binaries* on each of *those* hosts anew.

    *before* are agents as they were before they started: their heartbeats do not count.
    """
    old = {(one.id, one.beat) for one in before}
    wanted = {(short(host), binary) for host in those for binary in binaries}

    def silent() -> list[tuple[str, str]]:
        try:
            rows = asked.pages("network", "/agents", "agents")
        except ApiError:  # neutron answers again, or the deadline tells
            return sorted(wanted)
        heard = [one for one in map(_agent, rows) if one.alive and (one.id, one.beat) not in old]
        return sorted(wanted - {(short(one.host), one.binary) for one in heard if one.enabled})

    if left := wait.while_any(silent, ALIVE_SECONDS, ALIVE_PAUSE):
        told = ", ".join(f"{binary} on {host}" for host, binary in left)
        raise StepError(
            f"neutron has not heard {told} within {ALIVE_SECONDS:.0f} s, or has it disabled: see "
            "its log under /var/log/neutron there and `openstack network agent list`, then the "
            "same again"
        )
