"""What we left on the hosts for the way back, which there is no more.

On the source's controllers and its database's host the fence stays, and what is noted of it:
whatever brings one up again, its services stay silent. So does the mark.
"""

from pathlib import Path

from migrate.cloud import Context, hosts, transfer
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.computes.probing import note
from migrate.computes.reinstalling import keeping
from migrate.database import baseline, clone, connection, progress
from migrate.database.replication import account, proven, replica
from migrate.engine import state_directory
from migrate.errors import UnreachableError
from migrate.finish.address import living
from migrate.onhost import call, front
from migrate.takeover.gate import reopen_timer

# when the operator accepted, which its own step asks; whose the environment is, which stays, and
# the version before it, to which a host goes back also from here on
OF_TARGET = ["accepted.json", f"{proven.RECORD}.json"]
OF_COMPUTE = ["settle-environment.json", "settle-update.json", "settle-boot.json"]
OF_STORAGE = ["ceph-retired.json", "ceph-gateway-rest.json"]  # why its old daemons are masked
PAPERS = ("settle-*.json", "kept-*.json", "reinstall-*.json", "fresh-*.known_hosts", "installer-*")
KEPT = tuple(f"/var/lib/migrate/{one}.json" for one in (*baseline.RECORDS, account.RECORD))


def on_controllers(context: Context) -> list[str]:
    """A line for each thing on a controller of either side."""

    def of_target(host: Host) -> list[str]:
        found = [f"/var/lib/migrate/{one}" for one in call(host, "notes.left", OF_TARGET)]
        return [f"{host.name}: {one}" for one in found + _key(host)]

    def of_source(host: Host) -> list[str]:
        timer = call(host, "reopen_timer.state")["state"] != "absent"
        found = [one for one in KEPT if host.exists(one)] + _key(host)
        found += ["the reopen timer"] * timer + ["the front"] * host.exists(front.FOLDER)
        return [f"{host.name}: {one}" for one in found]

    found = hosts.gather(context.target.controllers, of_target)
    found.append([f"{host.name}: {one}" for host, those in _kept(context) for one in those])
    found += hosts.gather(living(context).source.core, of_source)
    with connection.session(context.target.database) as link:
        if progress.there(link):
            found.append([f"{context.target.database.name}: database {progress.SCHEMA}"])
    found.append([f"{context.target.database.name}: {one}" for one in _way(context)])
    if clone.left(context.target.database):
        found.append([f"{context.target.database.name}: {clone.FOLDER}"])
    return [line for lines in found for line in lines]


def gone_from_controllers(context: Context) -> bool:
    """Whether nothing of it is left."""
    return not on_controllers(context)


def clear_controllers(context: Context) -> None:
    """Key, timer, fingerprints, notes, the replica's account, the record of what was copied."""
    context = living(context)
    transfer.forbid(context)
    reopen_timer.remove(context)
    call_each(context.source.controllers, "front.leave", timeout=60)
    for host in (context.source.database, *context.source.core):
        if host not in context.source.dead:
            account.remove(host)
    for host in context.source.core:
        host.run("rm", "-f", "--", *KEPT)
    for host, those in _kept(context):
        host.run("rm", "-rf", "--", *those)
    call_each(context.target.controllers, "notes.remove", OF_TARGET)
    clone.remove(context.target.database)
    if _way(context):
        replica.take_away(context)
    with connection.session(context.target.database) as link:
        progress.clear(link)


def _way(context: Context) -> list[str]:
    """Files of how the target followed the source, where the cutover was not run to its end."""
    return replica.left(context.target.database)


def _kept(context: Context) -> list[tuple[Host, list[str]]]:
    """Controllers that keep what was a reinstalled host's own, secrets among it, or a key to it.

    A key stays where one was dead as its copy was given up.
    """
    asked = [keeping.ALL, *map(keeping.keys, settled(context))]
    those = context.target.controllers
    found = hosts.call_each(those, "files.existing", asked)
    return [(host, paths) for host, paths in zip(those, found, strict=True) if paths]


def papers(context: Context) -> list[Path]:
    """Files of this state directory for the way back of compute hosts.

    Of one that the stack file names no more all go: its name may be another host's later.
    """
    names = [host.name for host in settled(context)]
    stay = {f"{what}-{name}.json" for name in names for what in ("installer", "settle")}
    stay.add(note.path(context).name)
    found = {path for pattern in PAPERS for path in context.home.glob(pattern)}
    return sorted(path for path in found if path.name not in stay)


def settled(context: Context) -> tuple[Host, ...]:
    """Hosts that came over: with servers, with network agents alone, and those of Ceph's alone."""
    return (*context.source.computes, *context.source.network_hosts, *context.storage)


def on_compute(host: Host) -> list[str]:
    """The same of the host *host* of `settled`."""
    kept = [*OF_COMPUTE, *OF_STORAGE]
    found = [f"/var/lib/migrate/{one}" for one in call(host, "notes.left", kept)]
    return [f"{host.name}: {one}" for one in found + _key(host)]


def gone_from_computes(context: Context) -> bool:
    """Whether nothing of it is left."""
    if papers(context):
        return False
    try:
        return not any(hosts.gather(settled(context), on_compute))
    except UnreachableError:
        return False  # the others are done all the same, and who is away is named


def clear_computes(context: Context) -> None:
    """The same there, and `papers`; StepError names hosts that cannot be reached, last of all."""

    def act(host: Host) -> None:
        host.run("rm", "-rf", "--", transfer.FOLDER)
        call(host, "notes.remove", [*OF_COMPUTE, *OF_STORAGE])

    for path in papers(context):
        state_directory.forget(path)
    hosts.gather(settled(context), act)


def _key(host: Host) -> list[str]:
    return [transfer.FOLDER] if host.exists(transfer.FOLDER) else []
