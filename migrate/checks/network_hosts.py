"""DHCP, L3 and metadata agents are on controllers, or on network hosts that the stack file names.

On a compute host of the stack's file they serve on across the cutover as old agents: reach and
release are asked there, and they are reconnected; so do those on network hosts, which are asked for
more when they come over. Of any other host nobody knows that.
"""

from collections.abc import Collection
from dataclasses import replace

from migrate.checks import agents
from migrate.cloud import Context
from migrate.computes.network import reading, refusals
from migrate.engine.finding import Finding, Severity, error

# why those that the stack file names are refused although the code is there; whoever runs the set
# `settle-network` of the lab empties it, and takes it away once the set has passed
UNSHOWN = "network hosts were not shown to serve on, and to come over, on real ones yet"
SERVES_ON = (
    "; it serves on across the cutover, as an agent of the old release, and `migrate settle` "
    "refuses its host, and `migrate settle --agents` to begin, as long as it is there"
)


def run(context: Context) -> list[Finding]:
    """Agents on any other host, and network hosts without any; who does not answer, the check of
    agents tells.
    """
    api = agents.administrator(context)
    if not api:
        return []
    found = [(one, refusals.elsewhere(one)) for one in refusals.network_hosts(context, api)]
    ours = reading.names(context.source.computes)
    known = reading.list_agents(api)
    carriers = reading.names(context.source.network_hosts)
    idle = [one for one in carriers if not any(agent.at([one]) for agent in known)]
    return [
        *_unshown(carriers),
        *(refusals.without_agents(one) for one in idle),
        *(_later(told) if agent.at(ours) else told for agent, told in found),
    ]


def _later(told: Finding) -> Finding:
    return replace(told, severity=Severity.WARNING, message=f"{told.message}{SERVES_ON}")


def _unshown(carriers: Collection[str]) -> list[Finding]:
    if not (carriers and UNSHOWN):
        return []
    told = f"sidestep:source.networkHosts: {', '.join(carriers)}: {UNSHOWN}"
    return [error(told, "Move what they carry to the controllers, or wait for a version that can")]
