"""The virtual IP: taken over by the target in the only order that works, and given back in reverse.

Remove on the old, add on the new, tell the neighbours; before that nobody but the old holder may
answer for it. Where both hosts can pass packets on, what is in flight lives through it
(hand_over.py); where one cannot, it is cut. keepalived of the target runs with priority 255, the
owner's: it takes the address in the instant it starts (others wait three adverts) and never gives
way to a keepalived of the source.

Going back needs the old broker and cache up before the address returns (done here), and what only
the target knows deleted through the target before it goes.
"""

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call
from migrate.takeover import arp, hand_over
from migrate.takeover.proxy import STAGED_KEEPALIVED

PROBE_SECONDS = 0.4
PROVE_SECONDS = (0.4, 1.0, 2.0)  # a busy host answers late


def take_over(context: Context) -> None:
    """Move every virtual IP, once nobody else answers for one (`refuse_second_holder`)."""
    addresses = _addresses(context)
    ways = hand_over.ways(context)
    if hand_over.standing(context) or not hand_over.obstacles(context, ways):
        hand_over.take_over(context, ways)
        stop_brokers(context)  # who loses the old one finds the new one at once
    else:
        stop_brokers(context)
        release(context, addresses)
    call(context.target.holder, "virtual_ip.acquire", STAGED_KEEPALIVED, addresses)
    _prove(context)


def stop_brokers(context: Context) -> None:
    """Broker and cache of the source end: their clients get an end of connection and try again."""
    call_each(context.source.controllers, "virtual_ip.stop_brokers")


def release(context: Context, addresses: list[str]) -> None:
    """Take them from the source, with all that is in flight."""
    # backups first: none of them may become master when the holder leaves
    for host in sorted(
        context.source.controllers,
        key=lambda host: len(call(host, "virtual_ip.addresses", addresses)),
    ):
        call(host, "virtual_ip.release", addresses)


def taken(context: Context) -> bool:
    """Whether the target holds every address for good, and no source controller holds one."""
    holder, addresses = context.target.holder, _addresses(context)
    held = {one["address"] for one in call(holder, "virtual_ip.addresses", addresses)}
    if held != set(addresses):
        return False
    for question in ("is-active", "is-enabled"):
        if not holder.succeeds("systemctl", question, "--quiet", "keepalived"):
            return False
    return not any(call_each(context.source.controllers, "virtual_ip.holds", addresses))


def carried(context: Context) -> bool:
    """Whether users reach the target by any of the addresses: it carries one for others to see,
    or who has it passes to the target what begins.
    """
    held = call(context.target.holder, "virtual_ip.addresses", _addresses(context))
    return bool(held) or hand_over.given(context)


def quiet(context: Context) -> bool:
    """Whether the source has nothing of the addresses any more, not even silently."""
    return taken(context) and not hand_over.standing(context)


def give_back(context: Context) -> None:
    """The exact reverse: old broker and cache up, off the target, back on its old holder."""
    addresses = _addresses(context)
    call_each(context.source.controllers, "virtual_ip.start_brokers", timeout=150)
    ways = hand_over.ways(context)
    under = bool(ways) and carried(context) and not hand_over.obstacles(context, ways)
    if context.target.holder.name in context.dead_targets:
        refuse_a_living_holder(context)
    elif under:
        hand_over.hand_back(context, ways)
    else:
        call(context.target.holder, "virtual_ip.leave", STAGED_KEEPALIVED, addresses)
    call_each(context.source.controllers, "virtual_ip.take_back")
    if under:
        call(context.target.holder, "virtual_ip.leave", STAGED_KEEPALIVED, addresses)
    hand_over.settle_back(context, waits=under)


def refuse_a_living_holder(context: Context) -> None:
    """A target that ssh does not reach may still answer for the address: then it must go first."""
    asker = context.source.asker
    own = arp.hardware([asker])
    for one in context.source.virtual_ips:
        if others := set(arp.answering(asker, one, 0.4)) - own:
            raise StepError(
                f"{context.target.holder.name} does not let us in, but {', '.join(sorted(others))} "
                f"answers for {one.address}: power that machine off, then run the same again"
            )


def ours_alone(context: Context) -> bool:
    """Whether nobody but the cloud's controllers answers for a virtual IP now."""
    return not _strangers(context)


def refuse_second_holder(context: Context) -> None:
    """PreconditionError when anybody else does."""
    if strangers := _strangers(context):
        told = "; ".join(f"{', '.join(those)} answers for {at}" for at, those in strangers.items())
        raise PreconditionError(
            f"{told} too, and is no controller of this cloud: find that machine and take the "
            "address from it"
        )


def _strangers(context: Context) -> dict[str, list[str]]:
    """Hardware addresses that answer for a virtual IP and are none of ours, by the address."""
    known = arp.hardware((*context.source.controllers, *context.target.controllers))
    asker, found = context.target.asker, {}
    for one in context.source.virtual_ips:
        answered = arp.answering(asker, one, PROBE_SECONDS)
        if strangers := [mac for mac in answered if mac not in known]:
            found[str(one.address)] = strangers
    return found


def _prove(context: Context) -> None:
    """Every host of the cloud must find the target behind every address."""
    ours = arp.hardware(context.target.controllers)

    def ask(host: Host) -> list[str]:
        wrong = []
        for one in context.source.virtual_ips:
            device = call(host, "arp.interface_of", one.interface, host.address)
            for seconds in PROVE_SECONDS:
                answered = call(host, "arp.ask", device, str(one.address), seconds)
                if answered and ours.issuperset(answered):
                    break
            else:
                said = ", ".join(answered) or "nobody"
                wrong.append(f"{host.name} hears {said} for {one.address}")
        return wrong

    if wrong := hosts.joined(context.source.of_services, ask):
        raise StepError(f"the virtual IP did not move for all: {'; '.join(wrong)}")


def _addresses(context: Context) -> list[str]:
    return [str(one.address) for one in context.source.virtual_ips]
