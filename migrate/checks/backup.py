"""The backup does not go into the cluster that is being moved: it would be lost with it."""

import socket
from collections.abc import Iterator

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, info, warning
from migrate.errors import MigrateError, PreconditionError
from migrate.onhost import call
from migrate.storage.backup import store
from migrate.storage.rbd import clients

REMEDY = "Keep another copy: `migrate backup --execute --to` a folder or an S3 server elsewhere"


def run(context: Context) -> Iterator[Finding]:
    """What is to say of the stack file's own place; nothing where it names none."""
    if url := context.settings.backup:
        yield from at(context, url)


def at(context: Context, url: str) -> Iterator[Finding]:
    """Whose gateway of Ceph answers at *url*, where one does."""
    try:
        where = store.at(url).gateway()
    except PreconditionError as failure:
        yield warning(str(failure), "Mend that before `migrate backup`")
        return
    if not where:
        return
    told = hosts.gather(context.source.controllers, lambda host: _gateways(context, host))
    gateways = {address for one in told for address in one or ()}
    named = [one.address for one in (*context.source.hosts, *context.storage)]
    own = {str(one.address) for one in context.source.virtual_ips}.union(*map(_addresses, named))
    if _addresses(where) & (gateways | own):
        yield warning(
            f"{url} is in the cloud's own Ceph cluster, which a backup is to outlast", REMEDY
        )
    elif gateways or None in told:
        yield info(
            f"{url} is in a Ceph cluster, at {where}: if that leads to the cloud's own, a backup "
            "is not to be there alone",
            REMEDY,
        )


def _addresses(name: str) -> set[str]:
    try:
        return {str(one[4][0]) for one in socket.getaddrinfo(name, None)}
    except OSError:
        return {name}


def _gateways(context: Context, host: Host) -> list[str] | None:
    """Those of the cluster whose client *host* is, by whichever user of it may ask.

    None where it cannot tell, as a dead one: that forbids no backup.
    """
    try:
        return _told(context, host)
    except MigrateError:
        return None


def _told(context: Context, host: Host) -> list[str] | None:
    users = {(one.conf, one.cluster, one.name) for _, one in clients.every(context, host)}
    logins = [["-c", conf, "--cluster", name, "-n", who] for conf, name, who in sorted(users)]
    found: list[str] | None = call(host, "ceph.gateways", [[], *logins], timeout=180)
    return found
