"""By which installer hosts have come over, as they and the target's controllers have it.

A state directory can be lost, or another desk has done it: a reinstalled host that is taken for one
in place would have the release's units started again on the way back, beside the source's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.computes import installers, versions
from migrate.computes.installers import in_place
from migrate.computes.reinstalling import keeping, own
from migrate.errors import MigrateError, UnreachableError
from migrate.onhost import call, environment


def learn(context: Context, those: Collection[Host], *, keep: bool = True) -> dict[str, str]:
    """Know for each of *those* hosts the installer that machines name; the names of what was new.

    Where nothing stands on any of them, and of an installer of others, what this desk knows counts.
    Without *keep* it is known to this command alone.
    """
    found = {}
    for host, notes, stage in _told(context, those):
        known = installers.kept(context, host.name)
        by = _by(notes, stage, known)
        if by and by != installers.chosen(context, host.name):
            installers.learn(context, host.name, by, keep=keep)
            found[host.name] = by
    return found


def over(context: Context, those: Collection[Host]) -> set[str]:
    """Names of *those* that have something of the release, whichever desk has begun it.

    They say so, or who keeps what is theirs, or nova of one that is dead; a target that is dead
    says nothing.
    """
    found = {host.name for host, notes, stage in _told(context, those) if _by(notes, stage, "")}
    with suppress(MigrateError):
        known = versions.read(context)
        found |= {host.name for host in those if host.name in known.computes.keys() - known.old}
    return found


def _told(context: Context, those: Collection[Host]) -> Iterator[tuple[Host, set[str], str]]:
    """Each of them, what it keeps of ours, and how far its reinstall is."""
    try:
        stages = keeping.stages(context)
    except MigrateError:  # who knows it is dead; hosts themselves know what was started there
        stages = {}
    for host, notes in zip(those, hosts.gather(those, _noted), strict=True):
        yield host, notes, stages.get(host.name, "")


def _noted(host: Host) -> set[str]:
    """What we keep there; nothing of one that is dead, or that is another system by now."""
    try:
        return {one.removesuffix(".json") for one in call(host, "notes.left", [])}
    except UnreachableError:
        return set()


def _by(notes: set[str], stage: str, known: str) -> str:
    if known and known not in installers.SHIPPED:
        return known
    if own.NOTE in notes or stage in keeping.GONE:
        return installers.REINSTALL
    if in_place.NOTE in notes:
        return installers.IN_PLACE
    if stage:
        return installers.REINSTALL
    return installers.IN_PLACE if environment.RECORD in notes and not known else known
