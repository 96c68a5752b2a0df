"""Networks: each from the old DHCP agent to a new one, with its port and so with its address.

Removed first, then added: the port waits for its next agent meanwhile. Guests have no DHCP server
for some seconds; a lease lasts a day, and who asks then asks again.
"""

from collections.abc import Iterable
from typing import Any

from migrate.cloud import Context, wait
from migrate.cloud.api import Api, ApiError
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.computes.network import reading, refusals
from migrate.computes.network.assignment import assign, exists
from migrate.computes.network.facts import NETWORKS, Agent, Facts, homes, short, spread
from migrate.errors import StepError
from migrate.onhost import call

SERVED_SECONDS, PAUSE = 600.0, 1.0
OWNER = "network:dhcp"


def moved(context: Context) -> bool:
    """Whether no network is carried on the source, and all that were are on the target."""
    api = reading.api(context)
    facts = reading.read(api)
    if facts.held_at(reading.names(context.source.controllers), NETWORKS):
        return False
    there = facts.held_at(reading.names(context.target.controllers), NETWORKS)
    noted = _noted(context)
    if any(one not in there and exists(api, NETWORKS, one) for one in noted):
        return False
    return not _unserved(api, noted)


def move(context: Context) -> None:
    """One network after the other: noted, taken, given, and served before the next is touched."""
    refusals.refuse(context)
    api = reading.api(context)
    facts = reading.read(api)
    reading.note(context, facts, NETWORKS)
    target = context.target.controllers
    agents = facts.ready_at(reading.names(target), NETWORKS.agent)
    _one_by_one(api, facts, spread(_noted(context), facts, agents), target)


def give_back(context: Context) -> None:
    """The same back to where each was; what came to the target since goes to the source too."""
    if reading.untouched(context):
        return
    if context.target.controllers:
        api = reading.api(context)
        facts, noted = reading.read(api), reading.noted(context)
        there = facts.held_at(reading.names(context.target.controllers), NETWORKS)
        wanted = homes(sorted({*there, *_noted(context)}), NETWORKS, facts, noted)
        _one_by_one(api, facts, wanted, context.source.controllers)
    call_each(context.source.controllers, "handed_over.forget", NETWORKS.name)


def _noted(context: Context) -> list[str]:
    kept = reading.noted(context).values()
    return sorted({one for noted in kept for one in noted.get(NETWORKS.name, {})})


def _one_by_one(api: Api, facts: Facts, wanted: dict[str, Agent], those: tuple[Host, ...]) -> None:
    holders, unserved = facts.holders(NETWORKS), _unserved(api, wanted)
    for network, agent in wanted.items():
        if holders.get(network) != [agent] or network in unserved:
            _move(api, network, agent, reading.host_of(those, agent))


def _move(api: Api, network: str, agent: Agent, host: Host) -> None:
    before = _ports(api, network)
    if not assign(api, NETWORKS, network, agent) or not before or not is_wanted(api, network):
        return

    def unserved() -> bool:
        try:
            return not _served(api, network, host)
        except ApiError:  # neutron answers again, or the deadline tells
            return True

    if wait.while_any(unserved, SERVED_SECONDS, PAUSE):
        raise StepError(
            f"network {network} has no DHCP server on {host.name} after {SERVED_SECONDS:.0f} s: "
            "see /var/log/neutron there, then the same again"
        )
    if (after := _addresses(_ports(api, network))) != _addresses(before):
        raise StepError(
            f"the DHCP server of network {network} had {_addresses(before)} and has {after} on "
            f"{host.name}: find out why before the next network; the same again goes on"
        )


def _unserved(api: Api, networks: Iterable[str]) -> set[str]:
    """Those of *networks* whose DHCP server has a port, and none that is wired."""
    ports = api.pages("network", "/ports", "ports", device_owner=OWNER)
    served = {one["network_id"] for one in ports if one["status"] == "ACTIVE"}
    waiting = {one["network_id"] for one in ports} - served
    return {one for one in networks if one in waiting and is_wanted(api, one)}


def _ports(api: Api, network: str) -> list[dict[str, Any]]:
    """Ports of the network's DHCP servers, also one that waits for its next agent."""
    query = {"network_id": network, "device_owner": OWNER}
    return api.pages("network", "/ports", "ports", **query)


def _addresses(ports: list[dict[str, Any]]) -> list[str]:
    return sorted(one["ip_address"] for port in ports for one in port["fixed_ips"])


def is_wanted(api: Api, network: str) -> bool:
    """Whether an agent serves it at all: it is up, and a subnet of it has DHCP."""
    if not api.get("network", f"/networks/{network}")["network"]["admin_state_up"]:
        return False
    subnets = api.pages("network", "/subnets", "subnets", network_id=network)
    return any(one["enable_dhcp"] for one in subnets)


def wanted(api: Api) -> set[str]:
    """All networks that `is_wanted` is true of, by two calls."""
    up = [one for one in api.pages("network", "/networks", "networks") if one["admin_state_up"]]
    subnets = api.pages("network", "/subnets", "subnets", enable_dhcp="true")
    return {one["id"] for one in up} & {one["network_id"] for one in subnets}


def _served(api: Api, network: str, host: Host) -> bool:
    """Whether its port is wired on *host*, and a server runs behind it."""
    wired = [
        one
        for one in _ports(api, network)
        if one["status"] == "ACTIVE" and short(one["binding:host_id"]) == short(host.name)
    ]
    return bool(wired) and "dnsmasq" in call(host, "namespaces.processes", f"qdhcp-{network}")
