"""What kept the two clouds apart goes: the address on `lo`, and the filter against the source.

While they stand the target never asks another controller for the virtual IP, and a host at one of
the source's addresses is not let in to the database. What made the address bindable before
keepalived has it is Pulumi's and stays.
"""

from dataclasses import replace
from functools import partial

from migrate.cloud import Context, hosts, serving, wait
from migrate.cloud.host import Host
from migrate.errors import StepError
from migrate.finish import refusals
from migrate.takeover import isolation, virtual_ip

HOLD_SECONDS = 30.0
PLACES = (
    f"/etc/systemd/system/{isolation.ADDRESS_UNIT}",
    f"/etc/systemd/system/{isolation.FILTER_UNIT}",
    isolation.SYSCTL,
    isolation.RULES,
)


def living(context: Context) -> Context:
    """The same, without hosts of the source's core that are off: those were let go."""

    def ask(host: Host) -> str:
        host.run("true", timeout=10)
        return host.name

    names = set(hosts.living(context.source.core, ask))
    dead = {host.name for host in context.source.core} - names
    return replace(context, source=context.source.without(dead))


def left(host: Host) -> list[str]:
    """What of it stands on *host*."""
    return [path for path in PLACES if host.exists(path)]


def released(context: Context) -> bool:
    """Whether nothing of it is left on any controller of the target."""
    return not any(hosts.gather(context.target.controllers, left))


def release(context: Context) -> None:
    """Take it away while keepalived holds the address for all to see; then every API answers."""
    context = living(context)
    if wrong := refusals.of_source(context):
        raise StepError(
            f"{wrong[0].where}: {wrong[0].message}, so the filter stays. {wrong[0].remedy}"
        )
    if not virtual_ip.taken(context):
        raise StepError(
            f"{context.target.holder.name} does not hold the virtual IP for good, so it is not "
            "taken off lo: see keepalived there, then the same again"
        )
    isolation.drop(context)
    isolation.unfilter(context)
    # keepalived looks again when an address that it holds goes from another interface
    wait.until(
        partial(virtual_ip.taken, context),
        HOLD_SECONDS,
        f"the private address is gone, and {context.target.holder.name} does not hold the virtual "
        "IP: start keepalived there at once, then the same again",
    )
    if silent := serving.unanswered(context):
        raise StepError(
            f"the private address is gone, and through the virtual IP no answer comes from "
            f"{', '.join(silent)}: see their logs on {context.target.api.name}"
        )
