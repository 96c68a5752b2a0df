"""Services that use Ceph's RBD reach it from the target."""

from collections.abc import Iterator

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.computes.reinstalling import instances
from migrate.engine.finding import Finding
from migrate.errors import UnreachableError
from migrate.storage.ceph import members
from migrate.storage.rbd import client_files


def run(context: Context) -> Iterator[Finding]:
    """What the target's clients lack, and compute hosts whom nobody would tell of new monitors."""
    yield from client_files.findings(context)
    if members.moves(context) and not members.keeps(context):
        yield from hosts.joined(context.source.computes, _untold)


def _untold(host: Host) -> list[Finding]:
    """Whether nova reads a ceph.conf there in which nobody writes new monitors."""
    try:
        return list(client_files.untold(host, instances.ceph_conf(host)))
    except UnreachableError:
        return []
