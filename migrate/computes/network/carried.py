"""What a network host carries, noted there before its agents are exchanged, and proven after it.

Nothing is closed meanwhile: neutron tells an agent whose admin state is down that it carries
nothing, and that takes down all it has. What is given to one that is about to start it finds by its
first look. Neutron and the host are asked; what users have taken away since is no loss.

What stands on the host was left there by the agent before, and would stand without any: so the new
one must say, by its own count, that it has taken as much in hand. It reports each half a minute,
and the first time before it looks.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from migrate.cloud import Context, wait
from migrate.cloud.api import Api, ApiError, unless_gone
from migrate.cloud.host import Host
from migrate.computes import units
from migrate.computes.network import dhcp, reading
from migrate.computes.network.assignment import exists
from migrate.computes.network.facts import CARGO, ROUTERS, Agent, Cargo, Facts
from migrate.errors import StepError
from migrate.onhost import call

NOTE = "network-host"
SECONDS, PAUSE = 600.0, 2.0  # many networks come one after the other
DHCP_SPACE = "qdhcp"
JOINED = "network:router_interface"  # owner of a port by which a router serves a network
PREFIX = re.compile(r"^(tap|qr-|qg-|ns-)")  # of a device
SHORT = 11  # so much of a port's id follows

Seen = dict[str, Any]


def noted(context: Context, host: Host) -> bool:
    """Whether it is kept, until it is proven; or was, on a host that is renewed and proven."""
    return kept(host) or units.renewed(context, host)


def kept(host: Host) -> bool:
    """Whether it is kept."""
    return call(host, "record.load", NOTE) is not None


def note(context: Context, host: Host) -> None:
    """Keep it, unless a run before this one has."""
    if not kept(host):
        call(host, "record.save", NOTE, look(context, host))


def before(context: Context, host: Host) -> Seen:
    """What is kept; where nothing is, what it carries now."""
    found: Seen | None = call(host, "record.load", NOTE)
    return found or look(context, host)


def forget(_: Context, host: Host) -> None:
    """Forget it."""
    call(host, "record.forget", NOTE)


def look(context: Context, host: Host) -> Seen:
    """`{"agents": {"neutron-l3-agent": ["<id>", "<when it started>", 3]}, "held": {"routers":
    [...]}, "spaces": {...}, "ports": [...]}`; the 3 is its own count, see `namespaces.standing`.
    """
    facts = reading.read(reading.api(context))
    return {
        "agents": {one.binary: [one.id, one.started, one.serves] for one in facts.at([host.name])},
        "held": {one.name: sorted(facts.held_at([host.name], one)) for one in CARGO},
        **call(host, "namespaces.standing"),
    }


def proven(context: Context, host: Host) -> bool:
    """Whether all that runs there is the release's, and was found to carry what it did."""
    return units.renewed(context, host) and not kept(host)


def prove(context: Context, host: Host) -> None:
    """StepError that names all that is not as it was, or is not new; then what is kept goes."""
    if not kept(host):
        raise StepError(
            f"{host.name}: what it carried is not noted there any more: `migrate settle --back "
            f"--host {host.name} --execute`, and anew"
        )
    if old := units.old(context, host):
        raise StepError(f"{host.name}: of the old release there: {', '.join(old)}")
    compare(context, host, before(context, host), started=True)
    forget(context, host)


def compare(context: Context, host: Host, seen: Seen, *, started: bool) -> None:
    """StepError that names what of *seen* is not there any more, once each agent was heard.

    With *started* each must have told neutron that it has started since.
    """
    api = reading.api(context)
    began, agents = units.begun(context, host), reading.list_agents(api)
    reading.await_agents(api, [host.name], seen["agents"], agents)

    def wrong() -> list[str]:
        try:
            return list(_wrong(api, host, seen, started=started))
        except ApiError as error:  # it answers again, or the deadline tells
            return [str(error)]

    left = wait.while_any(wrong, SECONDS, PAUSE)
    if ended := units.ended(context, host, began):
        left = [*left, f"{', '.join(ended)} has ended while it was looked at: see its log there"]
    if left:
        raise StepError(f"{host.name}: {'; '.join(left)}")


def _wrong(api: Api, host: Host, seen: Seen, *, started: bool) -> Iterator[str]:
    facts = reading.read(api)
    now = {one.binary: one for one in facts.at([host.name])}
    for binary, (id_, since, _) in seen["agents"].items():
        yield from _agent(now.get(binary), binary, id_, since if started else None)
    yield from _held(api, facts, host, seen)
    wanted = {cargo: _wanted(api, facts, host, cargo) for cargo in CARGO}
    for cargo in CARGO:
        _, _, served = seen["agents"].get(cargo.agent, ("", "", 0))
        least = min(served, len(wanted[cargo]))  # one that it could not serve before is no loss
        if (agent := now.get(cargo.agent)) and agent.serves < least:
            yield f"its {agent.binary} has {agent.serves} of {least} {cargo.name} in hand"
    yield from _standing(api, host, seen, set[str]().union(*wanted.values()))


def _wanted(api: Api, facts: Facts, host: Host, cargo: Cargo) -> set[str]:
    """What of *cargo* is carried there and is to be served: what is switched off is not."""
    held = facts.held_at([host.name], cargo)
    if cargo is ROUTERS:
        return {one for one in held if one in facts.routers and facts.routers[one].up}
    return dhcp.wanted(api) & held.keys()


def _agent(agent: Agent | None, binary: str, id_: str, since: str | None) -> Iterator[str]:
    if agent is None or agent.id != id_:
        yield f"neutron's record of {binary} was {id_} and is {agent.id if agent else 'gone'}"
    elif not (agent.alive and agent.enabled):
        yield f"neutron does not hear its {binary}, or has it disabled"
    elif agent.started == since:
        yield f"its {binary} has not told neutron that it has started again"


def _held(api: Api, facts: Facts, host: Host, seen: Seen) -> Iterator[str]:
    for cargo in CARGO:
        lost = set(seen["held"][cargo.name]) - facts.held_at([host.name], cargo).keys()
        for one in sorted(lost):
            if exists(api, cargo, one):
                yield f"{cargo.name[:-1]} {one} is carried there no more"


def _standing(api: Api, host: Host, seen: Seen, wanted: Collection[str]) -> Iterator[str]:
    """Spaces, what runs in them, and ports; of what is *wanted* still."""
    now = call(host, "namespaces.standing")
    ports, addresses = set(seen["ports"]) - set(now["ports"]), dict[str, list[str]]()
    for space, was in seen["spaces"].items():
        kind, _, id_ = space.partition("-")
        if id_ not in wanted:
            continue
        there = now["spaces"].get(space)
        if there is None:
            yield f"name space {space} is gone"
            continue
        gone = set(was["processes"]) - set(there["processes"])
        if gone and kind == DHCP_SPACE and _is_joined(api, id_):
            gone.discard("haproxy")  # the router's has taken over from it
        if gone:
            yield f"{', '.join(sorted(gone))} does not run in {space}"
        for device, had in was["devices"].items():
            if device not in there["devices"]:
                ports.add(device)
            elif lost := set(had) - set(there["devices"][device]):
                addresses[f"{device} in {space}"] = sorted(lost)
    if ports or addresses:
        yield from _lost(api, ports, addresses)


def _is_joined(api: Api, network: str) -> bool:
    query = {"network_id": network, "device_owner": JOINED}
    return bool(api.pages("network", "/ports", "ports", **query))


def _lost(api: Api, ports: Iterable[str], addresses: Mapping[str, list[str]]) -> Iterator[str]:
    """What of *ports*, called as "qr-6f1c2d3e-4a", and *addresses* neutron still knows."""
    known = api.pages("network", "/ports", "ports")
    given = {fixed["ip_address"] for one in known for fixed in one["fixed_ips"]}
    with unless_gone():  # of a neutron without routers
        floating = api.pages("network", "/floatingips", "floatingips")
        given |= {one["floating_ip_address"] for one in floating}
    ids = {one["id"][:SHORT] for one in known}
    if gone := sorted(one for one in ports if PREFIX.sub("", one) in ids):
        yield f"ports are gone: {', '.join(gone)}"
    for where, lost in addresses.items():
        if gone := [one for one in lost if one.partition("/")[0] in given]:
            yield f"{where} has {', '.join(gone)} no more"
