"""Monitors, managers and gateways of the new release join while the source serves, or leave again.

Each function is a step's, of the target's controller *name*: `monitor.py`, `manager.py` and
`gateway.py` by the stack's hosts. A controller that is dead has left when the others do not miss it
any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from migrate.cloud import Context, hosts
from migrate.engine import finding
from migrate.engine.finding import Finding
from migrate.errors import MigrateError, UnreachableError
from migrate.onhost import call
from migrate.storage.ceph import addresses, facts, findings, gateway, manager, members, monitor


def joined(context: Context, name: str) -> bool:
    """Whether its monitor is in the quorum, by its own word."""
    new = context.named(name)
    return monitor.joined(new, new)


def join(context: Context, name: str) -> None:
    """Let its monitor join, unless something is wrong with the cluster."""
    new, old = context.named(name), members.old(context)
    monitor.refuse_lacking(new)
    if not call(new, "monitor.noted"):  # of one that was begun the cluster may complain
        finding.refuse(judged(context, facts.read(old), call(new, "ceph.release", "ceph-mon")))
    monitor.join(old, new)


def judged(context: Context, cluster: facts.Cluster, release: int) -> Iterator[Finding]:
    """What forbids that a monitor of *release* joins, the first or one after it."""
    begun = {one.name for one in cluster.monitors} & {*members.joining(context)}
    return findings.well(cluster) if begun else findings.before(cluster, release)


def leave(context: Context, name: str) -> None:
    """Let it leave; whose host is dead takes no manager's key with it.

    The dead leave the map before: once the last of the living has left it, nobody is a quorum.
    """
    old, new = members.old(context), context.named(name)
    for one in members.news(context):
        if one.name in context.dead_targets - {name}:
            monitor.leave_map(old, one)
    try:
        monitor.leave(old, new)
    except UnreachableError as error:
        if new.name in error.hosts:
            with suppress(MigrateError):
                call(old, "ceph.run", "auth", "rm", f"mgr.{new.name}")
        raise


def stands_by(context: Context, name: str) -> bool:
    """Whether its manager is known, standing by or active."""
    new = context.named(name)
    return bool(call(new, "manager.made", name)) and manager.stands_by(new, new)


def stand_by(context: Context, name: str) -> None:
    """Make its manager, which stands by."""
    manager.stand_by(members.old(context), context.named(name))


def stand_down(context: Context, name: str) -> None:
    """Remove its manager; of a host that is dead it went with it.

    That is asked before Ceph is: where this monitor alone is dead it leaves first, since without a
    quorum nobody answers.
    """
    new = context.named(name)
    if call(new, "manager.noted"):
        old = members.old(context)
        monitor.leave_if_lost(old, new)
        manager.leave(old, new)


def stands_beside(context: Context, name: str) -> bool:
    """Whether its gateway answers beside the old one that comes to it."""
    return gateway.stands_beside(members.gateways(context)[name], context.named(name))


def stand_beside(context: Context, name: str) -> None:
    """Make it; nobody is sent there yet."""
    gateway.stand_beside(members.gateways(context)[name], context.named(name))


def stand_away(context: Context, name: str) -> None:
    """Remove it; the old one serves before, for which there has to be a quorum."""
    old, new = members.gateways(context)[name], context.named(name)
    monitor.leave_if_lost(members.old(context), new)
    gateway.leave(old, new)


def told(context: Context) -> bool:
    """Whether every host with a ceph.conf names each new monitor in it."""
    return addresses.told(members.users(context), members.news(context))


def tell(context: Context) -> None:
    """Write that there; nobody is restarted."""
    addresses.tell(members.users(context), members.news(context))


def forget(context: Context) -> None:
    """Their files as they were; one more address in that of a dead host harms nobody."""
    hosts.living(context.hosts, lambda one: addresses.forget([one], []))
