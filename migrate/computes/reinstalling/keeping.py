"""What is a host's own stands on two controllers of the target, with how far its reinstall is.

The folder there is root's alone, read back and equal by its hashes before anything is made anew. It
stays until the host is put back, or `migrate finish` removes it: nothing is given up that may still
be needed.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from migrate.cloud import Context, hosts, login, transfer
from migrate.cloud.host import Host
from migrate.computes import guests, units
from migrate.computes.draining import servers
from migrate.computes.reinstalling import instances, packages
from migrate.computes.reinstalling.kept import INSTANCES, KEPT, Kept
from migrate.engine import systems
from migrate.engine.kept_notes import KeptNotes, Note
from migrate.errors import CommandError, StepError, UnreachableError
from migrate.onhost import call

ALL, PREFIX = "/var/lib/migrate/kept", "reinstall-"


class Stage(StrEnum):
    """How far it is; each is noted before what it names begins."""

    KEEPING = "keeping"
    KEPT = "kept"
    ANEW = "anew"  # from here on the old system may be gone
    ITSELF = "itself"  # what is its own is there again
    RETURNING = "returning"  # the same with the old release
    RETURNED = "returned"


BETWEEN = (Stage.ANEW, Stage.RETURNING)  # one system may be gone, the next is not yet itself
GONE = (*BETWEEN, Stage.ITSELF)  # its old system, and not yet another old one


def keeper(context: Context) -> Host:
    """Who keeps it: a host of the cloud that is not reinstalled, and never the operator's own."""
    return context.target.tools


def keepers(context: Context) -> list[Host]:
    """The same, and a second one where there is one."""
    first = keeper(context)
    return [first, *(one for one in context.target.controllers if one is not first)][:2]


def notes(context: Context, prefix: str = PREFIX, desk: str = "kept-") -> KeptNotes:
    """Notes of hosts that are made anew, of one kind: this module's are how far each is."""
    return KeptNotes(
        prefix=prefix,
        desk=desk,
        home=context.home,
        machines=context.target.controllers,
        keepers=keepers(context),
        dead=frozenset(one.name for one in context.target.dead),
    )


def holders(context: Context, host: Host) -> list[Host]:
    """Who keeps what is *host*'s own, as was noted; in whatever order the list has them now."""
    names = read(context, host).get("keepers") or [keeper(context).name]
    return [one for one in context.target.controllers if one.name in names]


def holder(context: Context, host: Host) -> Host:
    """One of them that answers and has all of it whole; StepError where none does."""
    if whole := [one for one, wrong in _copies(context, host) if not wrong]:
        return whole[0]
    raise StepError(f"{host.name}: nobody who answers has a whole copy of what is its own")


def _copies(context: Context, host: Host) -> list[tuple[Host, list[str]]]:
    """Each of those that answer, and what is wrong with its copy."""

    def ask(one: Host) -> tuple[Host, list[str]]:
        try:
            return one, call(one, "kept.wrong_in", folder(host))
        except CommandError:
            return one, [folder(host)]  # it is not there

    return hosts.living(holders(context, host), ask)


def folder(host: Host) -> str:
    """Where, there, and for the moment of copying on *host* itself."""
    return f"{ALL}/{host.name}"


def keys(host: Host) -> str:
    """Where the key is by which the keeper pulls from *host*."""
    return f"{transfer.FOLDER}-{host.name}"


def read(context: Context, host: Host) -> Note:
    """`{"stage": "kept", "token": ..., "boot": ..., "disk": {...}}`; "" is the first stage."""
    return {"stage": "", **notes(context).read(host.name)}


def stage(context: Context, host: Host) -> str:
    """How far it is, "" where it was never begun."""
    return str(read(context, host)["stage"])


def gone(context: Context, those: Collection[Stage] = GONE) -> set[str]:
    """Names of hosts whose old system may be gone, or that are at *those* stages."""
    return {name for name, at in stages(context).items() if at in those}


def stages(context: Context) -> dict[str, str]:
    """How far each host is that was begun, by its name: each controller is asked once, for all."""

    names = [one.name for one in (*context.source.computes, *context.storage)]
    return {name: str(one["stage"]) for name, one in notes(context).every(names).items()}


def note(context: Context, host: Host, **changed: Any) -> None:
    """Keep that it is so far, beside what was noted before."""
    notes(context).note(host.name, **changed)


def note_away(context: Context, host: Host, here: Host) -> None:
    """Keep who is to come home too, which the host itself knows; one that is silent knew before."""
    try:
        sent = call(here, "away.sent")
    except UnreachableError:
        return
    if sent or stage(context, host) not in (Stage.ANEW, Stage.RETURNING):
        note(context, host, away=sent)


def manifest(context: Context, host: Host) -> dict[str, Any]:
    """What was noted of what is kept; nothing secret is in it."""
    found: dict[str, Any] = call(holder(context, host), "kept.manifest", folder(host))
    return found


def is_kept(context: Context, host: Host) -> bool:
    """Whether it stands there, whole, or was there long before."""
    now = stage(context, host)
    if now != Stage.KEPT:
        return now in GONE
    copies = _copies(context, host)
    if not copies or any(wrong for _, wrong in copies):
        return False
    return not changed(context, host, copies[0][0])


def changed(context: Context, host: Host, keeps: Host) -> list[str]:
    """Paths of *host*, whose system stands, that are not as *keeps* has them: days may pass."""
    kept = call(keeps, "kept.manifest", folder(host))["rows"]
    rows = [row for row in kept if row["how"] != "aside"]
    place = read(context, host).get("instances", INSTANCES)
    wanted = [one for one in _wanted(context, place) if one[1] != "aside"]
    try:
        found: list[str] = call(host, "kept.changed", rows, wanted, timeout=120)
    except UnreachableError:
        return []  # what a dead host has, nobody can ask
    return found


def keep(context: Context, host: Host) -> None:
    """Gather it, let the keeper pull it, and read it back; StepError where it is not equal."""
    token, where = systems.token(host), folder(host)
    own, osds = refuse_servers(context, host), of_osds(context, host)
    those = keepers(context)
    note(context, host, stage=Stage.KEEPING, token=token, keepers=[one.name for one in those])
    accounts = sorted({one.user for one in context.recipes if one.host_units})
    asked = [[one.name for one in units.known(context, host)], list(packages.DAEMONS)]
    place = instances.read(host).path if runs_servers(context, host) else INSTANCES
    wanted = _wanted(context, place)
    told = call(host, "kept.gather", where, wanted, accounts, asked, token, timeout=120)
    for keeps in those:
        transfer.pull_tree(context, where, pulls=keeps, serves=host, keys=keys(host))
        if wrong := call(keeps, "kept.wrong_in", where):
            raise StepError(f"{host.name}: its {', '.join(wrong)} did not reach {keeps.name} whole")
    if lacks := missing(context, host) or _not_in(context, host, told["rows"]):
        raise StepError(f"{host.name}: {'; '.join(lacks)}")
    identity = call(host, "hardware.identity")
    _clear(context, host)
    boot = systems.mark(host, token)
    now = {"token": token, "boot": boot, "disk": own, "identity": identity, "instances": place}
    now |= osds
    for one in disks(now):
        call(host, "kept.plant", one["mount"], token)
    note(context, host, stage=Stage.KEPT, **now)


def patterns(context: Context) -> list[list[str]]:
    """All that is kept, each with how it is put back."""
    theirs = [[path, "back"] for path in context.settings.settle.reinstall.keep]
    return [*theirs, *([path, one.how] for one in KEPT for path in one.paths)]


def _wanted(context: Context, place: str) -> list[list[str]]:
    return [*patterns(context), [f"{place}/", "back"]]


def missing(context: Context, host: Host) -> list[str]:
    """What *host* has not, and would not be itself without."""
    must = _must(context, host)  # the first path of each
    found = set(call(host, "kept.missing", [one.paths[0] for one in must]))
    told = [f"{one.paths[0]} is missing: {one.why}" for one in must if one.paths[0] in found]
    if not call(host, "hardware.identity"):
        told.append("neither board nor network card has a mark, by which it is told from another")
    return told


def _not_in(context: Context, host: Host, rows: list[dict[str, Any]]) -> list[str]:
    kept = {row["path"] for row in rows}
    must = [one.paths[0] for one in _must(context, host)]
    return [f"{one} was not kept: it came while all was copied" for one in must if one not in kept]


def _must(context: Context, host: Host) -> list[Kept]:
    servers = runs_servers(context, host)
    return [one for one in KEPT if one.must and (servers or not one.servers)]


def runs_servers(context: Context, host: Host) -> bool:
    """Whether it is a compute host; one that has only OSDs is none."""
    return host.name in context.optional


def of_osds(context: Context, host: Host) -> dict[str, Any]:
    """Where OSDs of *host* keep their data, which outlast its system.

        {"devices": ["/dev/sdb"], "osd_disks": [as `own_disk` tells them], "mounts": ["/srv/osd"]}

    Those of "mounts" are in no fstab of the host's: whoever makes it mounts them.
    """
    if host.name not in context.settings.ceph.osd_hosts:
        return {}
    here = call(host, "osds.here")
    places = [one["place"] for one in here if one["kind"] == "folder"]
    told = [call(host, "kept.own_disk", one) for one in places]
    pairs = list(zip(places, told, strict=True))
    named = {one["mount"]: one for _, one in pairs if "mount" in one}
    return {
        "devices": [one["place"] for one in here if one["kind"] == "raw"],
        "osd_disks": list(named.values()),
        "mounts": [place for place, one in pairs if "mount" not in one],
    }


def disks(note: Note) -> list[dict[str, str]]:
    """File systems that are mounted again on the fresh system, of servers' data and of OSDs."""
    return [*([note["disk"]] if note.get("disk") else []), *note.get("osd_disks", [])]


def own_disk(host: Host) -> dict[str, str]:
    """The file system of their own that servers' data lie on, or why there is none."""
    place = instances.read(host)
    if place.why:
        return {"why": place.why}
    found: dict[str, str] = call(host, "kept.own_disk", place.path)
    return found


def refuse_servers(context: Context, host: Host) -> dict[str, str]:
    """StepError where a server runs there, or one's data would go; the disk that outlasts it, else.

    {} where no data is to outlast it.
    """
    guests.refuse(host, "a reinstall")
    if not runs_servers(context, host):
        return {}
    stays = [one for one in servers.on(login.api(context), host) if one.local_disk]
    if not stays:
        return {}
    found = own_disk(host)
    if why := found.get("why"):
        raise StepError(
            f"{host.name}: {', '.join(one.name or one.id for one in stays)} is there with a disk "
            f"of its own, and {why}: move it away by a rule of sidestep:settle"
        )
    return found


def forget(context: Context, host: Host) -> None:
    """Remove what was kept, unless *host* has not yet got it back as what it was before."""
    if stage(context, host) in ("", *GONE):
        return
    own = disks(read(context, host))
    _clear(context, host)
    systems.forget(host)
    for one in own:
        call(host, "kept.pull_out", one["mount"])
    those = holders(context, host)
    if len(hosts.living(those, lambda one: [call(one, "kept.remove", folder(host))])) < len(those):
        return  # the others' note stays, newer than that of one who is dead and comes back
    notes(context).forget(host.name)


def _clear(context: Context, host: Host) -> None:
    """Nothing of the copying stays on *host*."""
    hosts.living(holders(context, host), lambda one: transfer.turn_away(one, host, keys(host)))
    transfer.shut(host)
    call(host, "kept.remove", folder(host))
