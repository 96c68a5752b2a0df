"""By which installer hosts have come over, as they and the target's controllers have it.

A state directory can be lost, or another desk has done it: a reinstalled host that is taken for one
in place would have the release's units started again on the way back, beside the source's.
"""

from __future__ import annotations

from collections.abc import Collection

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.computes import installers
from migrate.computes.installers import in_place
from migrate.computes.reinstalling import keeping, own
from migrate.errors import MigrateError, UnreachableError
from migrate.onhost import call, environment


def learn(context: Context, those: Collection[Host]) -> dict[str, str]:
    """Keep for each of *those* hosts the installer that machines name; the names of what was new.

    Where nothing stands on any of them, and of an installer of others, what this desk knows counts.
    """
    try:
        stages = keeping.stages(context)
    except MigrateError:  # who knows it is dead; hosts themselves know what was started there
        stages = {}
    found = {}
    for host, notes in zip(those, hosts.gather(those, _noted), strict=True):
        known = installers.kept(context, host.name)
        by = _by(notes, stages.get(host.name, ""), known)
        if by and by != installers.chosen(context, host.name):
            installers.learn(context, host.name, by)
            found[host.name] = by
    return found


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
