"""Services that use Ceph's RBD reach it from the target, and servers' disks are not on it yet."""

from collections.abc import Iterator

from migrate.cloud import Context, hosts, side_by_side
from migrate.cloud.host import Host
from migrate.computes.reinstalling import instances
from migrate.engine.finding import Finding, error
from migrate.errors import UnreachableError
from migrate.storage import rbd
from migrate.storage.ceph import members
from migrate.storage.rbd import client_files


def run(context: Context) -> Iterator[Finding]:
    """What the target's clients lack, and compute hosts that would be clients too."""
    yield from client_files.findings(context)
    if members.moves(context) and not members.keeps(context):
        yield from hosts.joined(context.source.computes, _untold)
    if rbd.DISKS_UNSHOWN:
        computes = context.source.computes
        on_rbd = side_by_side.each(_keeps_disks_on_rbd, computes)
        if names := [host.name for host, found in zip(computes, on_rbd, strict=True) if found]:
            yield error(
                f"servers' disks of {', '.join(names)} are on RBD (nova's [libvirt] images_type), "
                f"{rbd.DISKS_UNSHOWN}",
                "Wait for a version that says it can, or let those servers run from volumes first",
            )


def _untold(host: Host) -> list[Finding]:
    """Whether nova reads a ceph.conf there in which nobody writes new monitors."""
    try:
        return list(client_files.untold(host, instances.ceph_conf(host)))
    except UnreachableError:
        return []


def _keeps_disks_on_rbd(host: Host) -> bool:
    """Whether it says so; one that does not answer is the check of the access's to name."""
    try:
        return instances.read(host).shared
    except UnreachableError:
        return False
