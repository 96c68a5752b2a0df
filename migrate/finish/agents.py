"""Neutron's records of the source's agents. One that is deleted while it runs comes back."""

from collections.abc import Collection, Mapping

from migrate.cloud import Context
from migrate.cloud.api import unless_gone
from migrate.computes.network import reading
from migrate.computes.network.facts import KNOWN, Agent
from migrate.errors import StepError
from migrate.finish.facts import Names

LISTED = "agent"  # as listings call it


def old(agents: Collection[Agent], names: Names) -> list[Agent]:
    """Those of *agents* whose records go."""
    return [one for one in agents if goes(one.binary, one.host, names)]


def goes(binary: str, host: str, names: Names) -> bool:
    """Whether the record of an agent *binary* on *host* goes."""
    return binary in KNOWN and names.gone(host)


def purged(context: Context) -> bool:
    """Whether neutron knows none of them any more."""
    facts = reading.read(reading.api(context))
    return not old(facts.agents, Names.of(context))


def purge(context: Context) -> None:
    """Delete them; StepError, and none is deleted, where one is alive or carries something."""
    api = reading.api(context)
    facts = reading.read(api)
    going = old(facts.agents, Names.of(context))
    if busy := [f"{one.binary} on {one.host}" for one in going if in_use(one, facts.held)]:
        raise StepError(
            f"{', '.join(busy)}: alive or carries something, so its record stays; `migrate settle "
            "--agents --execute` moves them, then the same again"
        )
    for one in going:
        with unless_gone():
            api.send("DELETE", "network", f"/agents/{one.id}")


def in_use(agent: Agent, held: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether *agent* is heard, or carries anything."""
    return agent.alive or bool(held.get(agent.id))
