"""A host with OSDs is reinstalled: its data stay, and the same OSDs of the cloud come back.

Steps of one host, each as three functions: is it done, do it, undo it. Until its OSDs are first
started by the new release an old system takes them up again; what that has written no older one can
open.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.engine import finding, systems
from migrate.engine.kept_notes import KeptNotes, Note
from migrate.errors import (
    CommandError,
    IrreversibleError,
    PreconditionError,
    StepError,
    UnreachableError,
    one_line,
)
from migrate.onhost import call
from migrate.storage.ceph import conf, facts, findings, releases, statistics

STOP_SECONDS, START_SECONDS, UP_SECONDS = 120, 300, 300
STILL_SECONDS = 900  # without an object that comes home; all of them may take a day
ACTIVE_SECONDS = 300
ENDED_SECONDS = 180  # so long a manager that was ended may be known
PAUSE_SECONDS = 2.0  # between looks at the cluster, which take it some work

PREFIX = "ceph-osds-"  # of what is noted of hosts
BEFORE = {"rests": False, "started": False, "home": False, "release": 0}


@dataclass(frozen=True, slots=True)
class Side:
    """`asks` is a new monitor's machine, of whom the cluster is asked.

    `notes` are what hosts were and how far they are: the loss of `asks` does not take them along.
    """

    asks: Host
    notes: KeptNotes


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was written while the host was away, and came to it afterwards."""

    objects: int
    bytes: int


def is_kept(host: Host, side: Side) -> bool:
    """Whether the new side knows which OSDs it has, where, and their place in the cluster."""
    note = _note(host, side)
    return bool(note) and (
        note["started"] or systems.is_other(host, note) or systems.is_marked(host, note)
    )


def is_begun(host: Host, side: Side) -> bool:
    """Whether anything of it is noted: from then on its own steps judge."""
    return bool(_note(host, side))


def keep(host: Host, side: Side) -> None:
    """Note what it is, unless the cluster could not do without it; its system is marked."""
    if is_kept(host, side):
        return
    wait.while_any(lambda: _older(facts.read(side.asks)), ENDED_SECONDS, PAUSE_SECONDS)
    cluster = facts.read(side.asks)
    _refuse_newer(cluster, host)
    finding.refuse(findings.well(cluster))
    if older := _older(cluster):
        raise PreconditionError(
            f"{host.name}: there is a {older}: monitors and managers come over before any OSD"
        )
    osds = call(host, "osds.here")
    ids = {one["id"] for one in osds}
    known = {osd.id for osd in cluster.osds if osd.host == host.name}
    if ids != known or not ids:
        raise PreconditionError(
            f"{host.name}: the cluster knows OSDs {sorted(known)} of it, and it has {sorted(ids)}"
        )
    if others := call(host, "osds.beside"):
        raise PreconditionError(
            f"{host.name}: {', '.join(others)} runs there too and would go with the system: move "
            "it to another host, or end it"
        )
    _refuse_stop(side.asks, osds)
    token = systems.token(host)
    boot = call(host, "kept.system")["boot"]
    first = {"osds": osds, "token": token, "boot": boot, **BEFORE}
    place = _place(side.asks, osds)
    _save(host, side, {**first, "place": place, "before": _counted(side.asks)})
    systems.mark(host, token)


def forget(host: Host, side: Side) -> None:
    """Nothing is known of it any more; refused where it cannot go back."""
    note = _note(host, side)
    if not note:
        return
    _refuse_started(host, note)
    systems.forget(host)
    side.notes.forget(host.name)


def is_resting(host: Host, side: Side) -> bool:
    """Whether its OSDs are down and nobody takes that for a loss; or that is long over."""
    note = _note(host, side)
    if not note:
        return False
    return bool(note["started"]) or (_held(host, side.asks) and not _up(side.asks, note["osds"]))


def rest(host: Host, side: Side) -> None:
    """Stop its OSDs; nothing is copied elsewhere meanwhile."""
    note = _note(host, side)
    if not note:
        raise StepError(f"{host.name}: nothing of it is kept")
    if _up(side.asks, note["osds"]):
        _refuse_stop(side.asks, note["osds"])
    before = note["before"] if note.get("rests") else _counted(side.asks)
    _save(host, side, {**note, "before": before, "rests": True})  # by it `wake` takes the flag away
    call(side.asks, "ceph.hold", host.name)
    if not systems.is_other(host, note):
        call(host, "osds.stop", note["osds"], STOP_SECONDS, timeout=STOP_SECONDS + 60)
    wait.until(
        lambda: not _up(side.asks, note["osds"]),
        ACTIVE_SECONDS,
        f"{host.name}: its OSDs were stopped, and the cluster has them up; see `ceph osd tree`",
    )


def wake(host: Host, side: Side) -> None:
    """Its OSDs run by the old release again, also on a system that was made anew with it."""
    note = _note(host, side)
    if not note or not note.get("rests"):
        return
    _refuse_started(host, note)
    if _release(host) > _oldest(side.asks):
        raise PreconditionError(
            f"{host.name}: its system has Ceph {releases.name(_release(host))}: have it made anew "
            "with the old release; its OSDs were not started since and are as they were"
        )
    if systems.is_other(host, note):
        call(host, "osds.adopt", note["osds"], _file(host, side.asks), timeout=120)
    _start(host, side.asks, note)
    call(side.asks, "ceph.let_go", host.name)
    _save(host, side, {**note, "rests": False})


def is_anew(host: Host, side: Side) -> bool:
    """Whether its system is another one than that of which things are kept."""
    note = _note(host, side)
    try:
        return bool(note) and systems.is_other(host, note)
    except UnreachableError:
        return False


def is_adopted(host: Host, side: Side) -> bool:
    """Whether the fresh system would find its OSDs, which nobody has started."""
    return is_anew(host, side) and bool(call(host, "osds.adopted", _note(host, side)["osds"]))


def adopt(host: Host, side: Side) -> None:
    """Let the fresh system find the OSDs, by what they say of themselves."""
    note = _note(host, side)
    if not is_anew(host, side):
        raise StepError(f"{host.name}: its system is the one that it was: nothing was made anew")
    if lacking := call(host, "osds.lacks"):
        raise StepError(f"{host.name}: {lacking}; then the same again")
    call(host, "osds.adopt", note["osds"], _file(host, side.asks), timeout=120)


def is_home(host: Host, side: Side) -> bool:
    """Whether its OSDs run the new release, have all that was written, and no flag is left.

    Once they had it, what another host lacks is not theirs: that one would be waited for here.
    """
    note = _note(host, side)
    if not note or not note["started"] or _held(host, side.asks):
        return False
    if _strange(facts.read(side.asks), host, side.asks, note):
        return False
    return bool(note.get("home")) or not _lacks(side.asks)


def come_home(host: Host, side: Side, past: Collection[str]) -> Recovered:
    """Start its OSDs by the new release; what came to them of what was written meanwhile.

    IrreversibleError, and nothing is begun, until *past* names the host.
    """
    note = _note(host, side)
    if host.name not in past and not note.get("started"):
        raise IrreversibleError(
            f"{host.name}: once its OSDs were started by the new release the old one can never "
            f"open them again: name it (`--past {host.name}`)"
        )
    if not is_adopted(host, side):
        raise StepError(f"{host.name}: its system would not find its OSDs")
    note = {**note, "started": True, "release": _release(host)}
    _save(host, side, note)
    call(side.asks, "ceph.hold", host.name)  # there, unless somebody took it away
    _start(host, side.asks, note)
    if left := wait.while_changing(lambda: _left(side.asks), STILL_SECONDS, PAUSE_SECONDS):
        raise StepError(
            f"{host.name}: its OSDs are up, the cluster is not clean ({left[0]}), and nothing was "
            f"recovered for {STILL_SECONDS / 60:g} minutes; see `ceph -s`. The same again goes on"
        )
    if wrong := _strange(facts.read(side.asks), host, side.asks, note):
        raise StepError(f"{host.name}: {wrong}")
    call(side.asks, "ceph.let_go", host.name)
    _save(host, side, {**note, "home": True})
    objects, size = (
        now - before for now, before in zip(_counted(side.asks), note["before"], strict=True)
    )
    return Recovered(objects, size)


def is_started(host: Host, side: Side) -> bool:
    """Whether they were started by the new release, or may have been: it never goes back."""
    return bool(_note(host, side).get("started"))


def stay(host: Host, side: Side) -> None:
    """There is no way back once they were started: IrreversibleError."""
    if note := _note(host, side):
        _refuse_started(host, note)


def stay_old(host: Host, side: Side) -> None:
    """`stay`, by the OSDs' own word too: what was noted may be with another machine."""
    stay(host, side)
    _refuse_newer(facts.read(side.asks), host)


def _start(host: Host, asks: Host, note: Note) -> None:
    if wrong := call(host, "osds.start", note["osds"], START_SECONDS, timeout=START_SECONDS + 60):
        raise StepError(f"{host.name}: {'; '.join(wrong)}; see its journal there. {unhealed(host)}")
    wait.until(
        lambda: _up(asks, note["osds"]) == {one["id"] for one in note["osds"]},
        UP_SECONDS,
        f"{host.name}: its OSDs run and are not up; see `ceph osd tree` and their journals. "
        f"{unhealed(host)}",
    )


def unhealed(host: Host) -> str:
    """What has to know who leaves it while its OSDs rest."""
    return (
        f"noout is set for it, and the cluster copies nothing elsewhere meanwhile: the same again "
        f"goes on; if it is to stay away, `ceph osd unset-group noout {host.name}`"
    )


def _older(cluster: facts.Cluster) -> str:
    """A daemon that goes before any OSD: a new OSD under an old leader was never run."""
    newest = max(max(counts) for counts in cluster.versions.values())
    for kind in ("mon", "mgr"):
        if older := [one for one in cluster.versions.get(kind, {}) if one[0] < newest[0]]:
            return f"{kind} of {'.'.join(map(str, older[0]))}"
    return ""


def _refuse_stop(asks: Host, osds: list[Any]) -> None:
    statistics.wait_until_fresh(asks)
    ids = [str(one["id"]) for one in osds]
    if why := call(asks, "ceph.unstoppable", ids):
        raise PreconditionError(f"osd.{', osd.'.join(ids)} may not be stopped now: {why}")


def _refuse_started(host: Host, note: Note) -> None:
    if note["started"]:
        raise IrreversibleError(
            f"{host.name}: there is no way back: its OSDs were started by the new release, and the "
            "old one can never open them again; nothing overrides that"
        )


def _refuse_newer(cluster: facts.Cluster, host: Host) -> None:
    oldest = releases.number(cluster.require_osd_release)
    for one in cluster.osds:
        if one.host == host.name and one.version[0] > oldest:
            raise IrreversibleError(
                f"{host.name}: there is no way back: osd.{one.id} runs "
                f"{releases.name(one.version[0])} by its own word. If its host came over from "
                "here, name the target's controllers again that it came over with: two know it"
            )


def _strange(cluster: facts.Cluster, host: Host, asks: Host, note: Note) -> str:
    """What is not as it was but for the release; "" if nothing."""
    for one in (one for one in cluster.osds if one.id in {osd["id"] for osd in note["osds"]}):
        if not one.up or one.version[0] != note["release"]:
            return f"osd.{one.id} runs {'.'.join(map(str, one.version))}, up: {one.up}"
    if _place(asks, note["osds"]) != note["place"]:
        return "its OSDs are not the same, or not where they were in the cluster: `ceph osd tree`"
    return ""


def _place(asks: Host, osds: list[Any]) -> list[Any]:
    """Of each its fsid, weight and where it hangs: what data lie by."""
    found: list[Any] = call(asks, "ceph.places", [one["id"] for one in osds])
    return found


def _lacks(asks: Host) -> tuple[str, list[int]] | None:
    """What is not clean, and how much was recovered so far; None where all is clean."""
    said = call(asks, "ceph.statistics", timeout=180)
    if stale := statistics.why_stale(said):
        return stale, []
    left = facts.unclean({one["name"]: one["num"] for one in said["groups"]})
    return (f"{sum(left.values())} groups", _counted(asks)) if left else None


def _left(asks: Host) -> tuple[str, list[int]] | None:
    """`_lacks`, also of a manager that starts anew meanwhile: in a day one may."""
    try:
        return _lacks(asks)
    except CommandError as failure:
        return one_line(failure), []


def _counted(asks: Host) -> list[int]:
    """Objects and bytes that were ever recovered, by the groups' own count."""
    found: list[int] = call(asks, "ceph.recovered")
    return found


def _up(asks: Host, osds: list[Any]) -> set[int]:
    said = call(asks, "ceph.ask", "osd", "dump")
    return {one["osd"] for one in said["osds"] if one["up"]} & {one["id"] for one in osds}


def _held(host: Host, asks: Host) -> bool:
    return "noout" in call(asks, "ceph.ask", "osd", "dump")["crush_node_flags"].get(host.name, [])


def _oldest(asks: Host) -> int:
    """The release of OSDs that have not come over."""
    return releases.number(call(asks, "ceph.ask", "osd", "dump")["require_osd_release"])


def _release(host: Host) -> int:
    found: int = call(host, "ceph.release", "ceph-osd")
    return found


def _file(host: Host, asks: Host) -> str:
    """Its own ceph.conf where that was put back; else a monitor's, which all may read."""
    own = host.read(conf.PATH) if host.exists(conf.PATH) else ""
    return own if conf.value(own, "mon_host") else asks.read(conf.PATH)


def _note(host: Host, side: Side) -> Note:
    return side.notes.read(host.name)


def _save(host: Host, side: Side, note: Note) -> None:
    side.notes.note(host.name, **note)
