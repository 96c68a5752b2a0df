"""Reinstall: a host is emptied, made anew, and the same host of the cloud after it.

What is its own stands on a controller meanwhile; see `migrate/computes/reinstalling/`. The way back
is a reinstall with the old release, of what was kept: `restore`. On the way back of the whole cloud
there is no time for it: the release's units are stopped and masked, so that they disturb nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from migrate.cloud import Context, login
from migrate.cloud.host import Host
from migrate.computes import draining, environment, installers, proof, service, units, versions
from migrate.computes.draining import servers
from migrate.computes.estimates import Action, Way
from migrate.computes.installers.contract import Act, nothing
from migrate.computes.installers.in_place import PLAIN
from migrate.computes.reinstalling import anew, instances, keeping, own
from migrate.computes.reinstalling.keeping import Stage
from migrate.computes.reinstalling.silent import Silent
from migrate.engine.finding import Finding, error, filled, warning
from migrate.errors import MigrateError, PreconditionError, StepError
from migrate.onhost import agents, call
from migrate.storage.ceph import members

NAME = "reinstall"
STOP_SECONDS = 20.0
LEFT = (
    "it was reinstalled and not put back: its units are stopped and masked there, and it has no "
    "packages of the old release (`migrate settle --back` before a rollback puts it back)"
)


def renewed(context: Context, host: Host) -> bool:
    """Whether all that was there runs again, as the release's programs."""
    return units.renewed(context, host)


def between(context: Context, host: Host) -> bool:
    """Whether one system of it may be gone, and the next is not yet the host that it was."""
    return keeping.stage(context, host) in keeping.BETWEEN


def findings(context: Context, those: Collection[Host]) -> list[Finding]:
    """What each of *those* hosts has against it; one that is renewed is left alone."""
    found = []
    try:
        anew.refuse(context)
    except PreconditionError as failure:
        found.append(error(str(failure), "name it, or settle hosts in place"))
    if context.settings.ceph.clients:
        told = "no reinstall was shown of a host whose servers have volumes on Ceph's RBD"
        found.append(warning(told, "settle hosts in place, or begin with one without servers"))
    try:
        gone = keeping.gone(context)
    except MigrateError as failure:
        told = f"which hosts are in the middle of it is not known: {failure}"
        found.append(warning(told, "`pulumi up` makes it", keeping.keeper(context).name))
        gone = set()

    def look(host: Host) -> list[Finding]:
        if host.name in gone:
            return []  # its old system is gone, and what there is, is ours
        wrong = [
            *_strange(context, host),
            *_elsewhere(context, host),
            *_unkept(context, host),
            *keeping.missing(context, host),
        ]
        wrong += _stays(context, host)
        return list(filled([error(one, environment.LEAVE) for one in wrong], check=NAME))

    return [*filled(found, check=NAME), *environment.each(those, look)]


def _strange(context: Context, host: Host) -> Iterator[str]:
    running = units.running(context, host)
    if unknown := units.unknown(context, host):
        yield f"{', '.join(unknown)} runs there, which nothing would start again"
    if not running:
        yield "nothing of OpenStack runs there"
    for name, one in running.items():
        if not one["program"]:
            yield f"{name} runs as {one['arguments'][:2]}, which is not understood"
        if odd := [word for word in one["arguments"] if not PLAIN.fullmatch(word)]:
            yield f"{name} runs with arguments that are not understood: {odd}"
    yield from units.bare(context, host, running)


def _elsewhere(context: Context, host: Host) -> Iterator[str]:
    """What lies on the host's disks for others than its servers, or in no directory of theirs."""
    if (place := instances.read(host)).shared:
        yield f"{place.why}, and no reinstall of such a host was shown: it comes over in place"
    elif place.why:
        yield place.why
    osds = host.name in context.settings.ceph.osd_hosts
    there = call(host, "kept.daemons_of_ceph")
    if found := [one for one in there if not (osds and "osd" in one)]:
        yield f"{', '.join(found)} is there, whose data a reinstall would take from Ceph"
    if osds:
        yield f"it {members.MIXED}"


def _unkept(context: Context, host: Host) -> Iterator[str]:
    """Keys by which nova moves servers to other hosts and that lie where nothing is kept."""
    kept = [one for one, how in keeping.patterns(context) if how != "aside"]
    named = instances.keys(host)  # one that is not there now is nothing to keep
    for path in call(host, "files.existing", named) if named else ():
        if not any(fnmatchcase(path, one) or fnmatchcase(path, f"{one}/*") for one in kept):
            yield (
                f"its live_migration_uri names {path}, which would not be there again: name it in "
                "sidestep:settle.reinstall.keep"
            )


def _stays(context: Context, host: Host) -> Iterator[str]:
    """Servers whose data would have to outlast it, and do not."""
    api = login.api(context)
    policy = servers.policy_by(context, api, Way.REINSTALL)
    zone = service.of(api, host.name)["zone"]
    staying = [
        one.name or one.id
        for one in servers.on(api, host)
        if one.local_disk and policy.of(one, zone).action in (Action.STAYS, Action.STOP)
    ]
    if staying and (why := keeping.own_disk(host).get("why")):
        yield (
            f"{', '.join(staying)} would stay there with a disk of its own, and {why}: let it "
            "leave by a rule of sidestep:settle"
        )


def restore(context: Context, host: Host) -> None:
    """Make it anew with the old release and what was kept; servers leave before it.

    Nothing where its old system still stands.
    """
    now = keeping.stage(context, host)
    if now not in keeping.GONE:
        return
    if now == Stage.ANEW and anew.stands(context, host):
        keeping.note(context, host, stage=Stage.RETURNED)
        return
    api = login.api(context)
    if now != Stage.RETURNING:
        service.close(api, host.name)
        if not between(context, host):
            draining.drain(context, host)
    anew.make_back(context, host)
    own.give_back(context, host, back=True)
    since = versions.heartbeats(context, host.name)
    own.start_old(context, host)
    proof.wait_until_heard(context, api, host, since)
    if new := units.new(context, host):
        raise StepError(f"{host.name}: {', '.join(new)} runs the new release, and was put back")
    keeping.note(context, host, stage=Stage.RETURNED)


def let_go(context: Context, host: Host) -> None:
    """Silence the release's units there; it is named by who asks, since it is not put back.

    Also one that does not run just now: systemd would start it again, or the next boot.
    """
    if not (noted := call(host, "record.load", own.NOTE)):
        return
    written = {one["path"] for one in noted["entries"]}
    ours = [one.name for one in units.known(context, host) if own.unit_file(one) in written]
    shown = call(host, "systemd.show", ours) if ours else {}
    if names := [one for one, unit in shown.items() if unit.get("LoadState") != "masked"]:
        call(host, "systemd.stop", names, STOP_SECONDS, timeout=120)
        call(host, "systemd.mask", names)
    call(host, "record.forget", agents.RECORD)  # else the way back would start them again


def left(context: Context) -> list[str]:
    """Names of hosts that came over so and were not put back: what `let_go` silences.

    One between two systems was told by `passing`.
    """
    there = [one for one in context.source.computes if not isinstance(one, Silent)]
    ours = [one for one in there if installers.chosen(context, one.name) == installers.REINSTALL]
    try:
        gone = keeping.gone(context) if ours else set()
        return [one.name for one in ours if one.name in gone]
    except MigrateError:
        return [one.name for one in ours]  # who knows it is dead


WAY = Way.REINSTALL
AHEAD: tuple[Act, ...] = ()
# what is on a system that is made anew goes with it
ACTS: tuple[Act, ...] = (
    Act(
        name="keep",
        title="Keep what is {host}'s own on a controller of the target, and read it back",
        done=keeping.is_kept,
        apply=keeping.keep,
        revert=keeping.forget,
        seconds=3,
    ),
    Act(
        name="reinstall",
        title="Have {host} made anew by sidestep:settle.reinstall, and ask whether it was",
        done=anew.is_made,
        apply=anew.make,
        revert=nothing,
        seconds=25,
    ),
    Act(
        name="packages",
        title="Install what servers and networks need on {host}, starting nothing",
        done=own.installed,
        apply=own.install,
        revert=nothing,
        seconds=24,
    ),
    Act(
        name="own",
        title="Put back what is {host}'s own",
        done=own.is_itself,
        apply=own.give_back,
        revert=nothing,
        seconds=5,
    ),
    Act(
        name="environment",
        title="Bring the release's environment to {host}",
        done=environment.made,
        apply=environment.make,
        revert=nothing,
        seconds=46,
    ),
    Act(
        name="renew",
        title="Start the release's units on {host}",
        done=renewed,
        apply=own.start,
        revert=let_go,
        seconds=24,
    ),
)
# of a host that runs no servers
OF_SYSTEM: tuple[Act, ...] = tuple(one for one in ACTS if one.name in ("keep", "reinstall", "own"))
