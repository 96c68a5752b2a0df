"""DHCP, L3 and metadata agents are on controllers: what another host carries is not settled."""

from migrate.checks import agents
from migrate.cloud import Context
from migrate.computes.network import refusals
from migrate.engine.finding import Finding


def run(context: Context) -> list[Finding]:
    """Agents on network hosts of their own; who does not answer, the check of agents tells."""
    api = agents.administrator(context)
    return [refusals.elsewhere(one) for one in refusals.network_hosts(context, api)] if api else []
