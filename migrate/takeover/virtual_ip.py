"""The virtual IP: taken over by the target in the only order that works, and given back in reverse.

Remove on the old, add on the new, tell the neighbours; before that nobody but the old holder may
answer for it. keepalived of the target runs with priority 255, the owner's: it takes the address in
the instant it starts (others wait three adverts) and never gives way to a keepalived of the source.

Going back needs the old broker and cache up before the address returns (done here), and what only
the target knows deleted through the target before it goes.
"""

from concurrent.futures import ThreadPoolExecutor

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call
from migrate.takeover import arp
from migrate.takeover.proxy import STAGED_KEEPALIVED

PROBE_SECONDS = 0.4
PROVE_SECONDS = (0.4, 1.0, 2.0)  # a busy host answers late


def take_over(context: Context) -> None:
    """Move every virtual IP; nothing has moved when this raises PreconditionError."""
    addresses = _addresses(context)
    with ThreadPoolExecutor(2) as pool:  # neither moves anything
        both = (
            pool.submit(refuse_second_holder, context),
            pool.submit(call_each, context.source.controllers, "virtual_ip.stop_brokers"),
        )
    for one in both:
        one.result()
    # backups first: none of them may become master when the holder leaves
    for host in sorted(
        context.source.controllers,
        key=lambda host: len(call(host, "virtual_ip.addresses", addresses)),
    ):
        call(host, "virtual_ip.release", addresses)
    call(context.target.holder, "virtual_ip.acquire", STAGED_KEEPALIVED, addresses)
    _prove(context)


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
    """Whether the target carries any of the addresses for others to see."""
    return bool(call(context.target.holder, "virtual_ip.addresses", _addresses(context)))


def give_back(context: Context) -> None:
    """The exact reverse: old broker and cache up, off the target, back on its old holder."""
    addresses = _addresses(context)
    call_each(context.source.controllers, "virtual_ip.start_brokers", timeout=150)
    if context.target.holder.name in context.dead_targets:
        refuse_a_living_holder(context)
    else:
        call(context.target.holder, "virtual_ip.leave", STAGED_KEEPALIVED, addresses)
    call_each(context.source.controllers, "virtual_ip.take_back")


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


def refuse_second_holder(context: Context) -> None:
    """PreconditionError when anybody but the source answers for a virtual IP."""
    known = arp.hardware((*context.source.controllers, *context.target.controllers))
    asker = context.target.asker
    for one in context.source.virtual_ips:
        answered = arp.answering(asker, one, PROBE_SECONDS)
        if strangers := [mac for mac in answered if mac not in known]:
            raise PreconditionError(
                f"{', '.join(strangers)} answers for {one.address} too, and is no controller of "
                "this cloud: find that machine and take the address from it"
            )


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
