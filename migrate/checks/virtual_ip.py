"""The virtual IP is held by one source controller, nobody else answers for it, and it can move."""

from collections.abc import Iterator

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.cloud.settings import VirtualIp
from migrate.engine.finding import Finding, error, warning
from migrate.onhost import call
from migrate.takeover import arp, hand_over

PROBE_SECONDS = 1.0


def run(context: Context) -> Iterator[Finding]:
    """No holder, two holders, a holder that the stack file does not know."""
    controllers = (*context.source.controllers, *context.target.controllers)
    wanted = [str(one.address) for one in context.source.virtual_ips]
    answers = call_each(controllers, "virtual_ip.addresses", wanted)
    carry = dict(zip([host.name for host in controllers], answers, strict=True))
    for virtual_ip in context.source.virtual_ips:
        yield from _one(context, virtual_ip, carry)
    if any(carry[host.name] for host in context.source.controllers):
        yield from _in_flight(context)


def _one(
    context: Context, virtual_ip: VirtualIp, carry: dict[str, list[dict[str, str]]]
) -> Iterator[Finding]:
    address = str(virtual_ip.address)
    public = {
        name: [one["device"] for one in found if one["address"] == address]
        for name, found in carry.items()
    }
    holders = [host for host in context.source.controllers if public[host.name]]
    for host in context.target.controllers:
        if public[host.name]:
            yield error(
                f"{address} is already on {', '.join(public[host.name])} of this target",
                "Remove it there; the cutover moves it",
                host.name,
            )
    if not holders:
        yield error(
            f"no source controller carries {address}",
            "See keepalived or Pacemaker there, and sidestep:source.virtualIps",
        )
    if len(holders) > 1:
        names = ", ".join(host.name for host in holders)
        yield error(
            f"{address} is carried by {names} at once",
            "Mend keepalived or Pacemaker: one alone may hold it",
        )
    yield from _answers(context, virtual_ip, holders)


def _in_flight(context: Context) -> Iterator[Finding]:
    """Whether calls and transfers live through the move."""
    for one in hand_over.obstacles(context, hand_over.ways(context)):
        yield warning(
            f"calls and transfers in flight are cut when the virtual IP moves: {one}",
            "Install nftables on both holders, with an address of their own in its network; or go "
            "on: clients try again",
        )


def _answers(context: Context, virtual_ip: VirtualIp, holders: list[Host]) -> Iterator[Finding]:
    """Ask the wire: from a target controller, which sees what its own takeover would meet."""
    address = str(virtual_ip.address)
    asker = context.target.asker
    interface = call(asker, "arp.interface_of", virtual_ip.interface, asker.address)
    heard: list[str] = call(asker, "arp.ask", interface, address, PROBE_SECONDS)
    own = arp.hardware(holders)
    if strangers := [mac for mac in heard if mac not in own]:
        yield error(
            f"{', '.join(strangers)} answers for {address} beside its holder"
            if own & set(heard)
            else f"{', '.join(strangers)} answers for {address}, no source controller does",
            "Find the machine with that MAC address and take the address from it",
            asker.name,
        )
    elif len(heard) > 1:
        yield warning(
            f"{holders[0].name} answers for {address} with {len(heard)} MAC addresses",
            "Set arp_ignore=1 and arp_announce=2 there; neighbours may keep a wrong one",
            asker.name,
        )
    elif not heard:
        yield error(
            f"nobody answers for {address} on {interface}",
            "The target must be on the network of the virtual IP to take it over",
            asker.name,
        )
