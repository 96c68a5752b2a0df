"""The backup does not go into the cluster that is being moved: it would be lost with it."""

from collections.abc import Iterator

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, info, warning
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.storage.backup import store
from migrate.storage.rbd import clients

ELSEWHERE = "Keep another copy: `migrate backup --to` a folder or an S3 server elsewhere"


def run(context: Context) -> Iterator[Finding]:
    """Whose gateway answers at the backup's place, where one does."""
    url = context.settings.backup
    if not url:
        return
    try:
        gateway = store.at(url).gateway()
    except PreconditionError as failure:
        yield warning(str(failure), "Mend that before `migrate backup`")
        return
    if not gateway:
        return
    told = hosts.gather(context.source.controllers, lambda host: _gateways(context, host))
    known = [one for one in told if one is not None]
    if any(gateway in one for one in known):
        yield warning(
            f"{url} is in the cloud's own Ceph cluster: what a backup is for takes it along",
            ELSEWHERE,
        )
    elif not known:
        yield info(
            f"{url} is in a Ceph cluster, and no controller can say whether it is the cloud's own",
            f"If it is: {ELSEWHERE[0].lower()}{ELSEWHERE[1:]}",
        )


def _gateways(context: Context, host: Host) -> list[int] | None:
    """Those of the cluster whose client *host* is, by whichever user of it may ask."""
    users = {(one.conf, one.cluster, one.name) for _, one in clients.every(context, host)}
    logins = [["-c", conf, "--cluster", name, "-n", who] for conf, name, who in sorted(users)]
    found: list[int] | None = call(host, "ceph.gateways", [[], *logins], timeout=180)
    return found
