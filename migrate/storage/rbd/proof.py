"""The target's own client sees on RBD what the source's does, and what the databases say.

Both are asked by the same program, each as the service's user with its own files and key, so one
answer is held against the other: the cluster, then of each image its identity, size, parent and
snapshots, then the hash of what is read. `sidestep:ceph.checksums` says how much that is. What is
settled is read once, and again when it is another.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from migrate.cloud import Context, side_by_side
from migrate.cloud.addresses import counterpart
from migrate.cloud.host import Host
from migrate.engine import state_directory
from migrate.onhost import call
from migrate.services.base import Recipe
from migrate.storage.rbd.client import Client
from migrate.storage.rbd.wanted import Seen, Wanted, differences, identity, misread

Found = list[tuple[Wanted, str]]  # a sentence of it each
BLOCKS = {"sampled": 16, "whole": 0}
SAMPLE = "sha256"  # of a sample, of which nobody has recorded a hash
DAY = 86400.0


def source_of(context: Context, host: Host) -> Host:
    """The source's controller whose client is held against that of *host*, one of the target's."""
    return counterpart(context, context.target.controllers.index(host))


def wrong(
    context: Context, recipe: Recipe, host: Host, wanted: Iterable[Wanted], fresh: bool = False
) -> Found:
    """What the client of *recipe* on *host* does not see as it has to, a sentence each.

    With *fresh* everything is read again that may be.
    """
    mode = context.settings.ceph.checksums
    path = _path(context, recipe, host, mode)
    kept: dict[str, Any] = {} if fresh else state_directory.recorded(path)
    groups: dict[Client, list[Wanted]] = defaultdict(list)
    for one in wanted:
        groups[one.client].append(one)
    found: Found = []
    for client, those in groups.items():
        asking = _Asking(context, recipe, host, client)
        found += [(one, f"{host.name}: {told}") for one, told in _wrong(asking, those, mode, kept)]
    state_directory.record(path, kept)
    return found


def clusters(
    context: Context, recipe: Recipe, host: Host, of: Iterable[Client]
) -> dict[Client, str]:
    """The fsid of the cluster that each client *of* the source's counterpart of *host* reaches."""
    return {one: _Asking(context, recipe, host, one).both([])[1]["fsid"] for one in of}


def forget(context: Context, recipe: Recipe) -> None:
    """Nothing counts as read any more."""
    for host in context.target.controllers:
        for mode in BLOCKS:
            state_directory.forget(_path(context, recipe, host, mode))


def _path(context: Context, recipe: Recipe, host: Host, mode: str) -> Path:
    return context.home / f"rbd-{recipe.project}-{host.name}-{mode}.json"


class _Asking:
    """The same question to the source's client and to the target's."""

    def __init__(self, context: Context, recipe: Recipe, host: Host, client: Client) -> None:
        self.client, self._user = client, recipe.user
        self._pair = (
            (source_of(context, host), "python3"),
            (host, context.installation.python),
        )

    def both(self, asked: list[list[str]], blocks: int = 0) -> list[dict[str, Any]]:
        """What each tells: the target's first."""
        its = self.client
        client = {"conf": its.conf, "user": its.user, "pool": its.pool, "cluster": its.cluster}

        def ask(one: tuple[Host, str]) -> dict[str, Any]:
            host, python = one
            arguments = ("librbd.seen", self._user, client, asked, blocks)
            told: dict[str, Any] = call(host, *arguments, interpreter=[python], timeout=DAY)
            return told

        return side_by_side.each(ask, self._pair[::-1], 2)


def _wrong(asking: _Asking, those: list[Wanted], mode: str, kept: dict[str, Any]) -> Found:
    there, here = asking.both([[one.name, one.snapshot, ""] for one in those])
    fsid = there["fsid"]
    if fsid != here["fsid"]:
        told_of_all = f"{asking.client.name} is in cluster {fsid}, the source's in {here['fsid']}"
        return [(one, told_of_all) for one in those]
    found: Found = []
    unread = []
    for one, image, other in zip(those, there["images"], here["images"], strict=True):
        told = list(differences(one, image, other))
        if one.fsid and one.fsid != fsid:
            told = [f"is in cluster {one.fsid}, which {asking.client.name} does not reach"]
        found += [(one, _sentence(one, sentence)) for sentence in told]
        if not told and one.read and kept.get(_known_as(one, fsid)) != identity(one, fsid, image):
            unread.append((one, image))
    return found + _read(asking, unread, fsid, mode, kept)


def _read(
    asking: _Asking,
    unread: list[tuple[Wanted, Seen]],
    fsid: str,
    mode: str,
    kept: dict[str, Any],
) -> Found:
    """What is read otherwise; *kept* then knows what was read."""
    if not unread:
        return []
    whole = mode == "whole"
    asked = [[one.name, one.snapshot, (whole and one.algorithm) or SAMPLE] for one, _ in unread]
    there, here = asking.both(asked, BLOCKS[mode])
    found: Found = []
    for (one, before), image, other in zip(unread, there["images"], here["images"], strict=True):
        told = list(misread(one, image, other, whole))
        found += [(one, _sentence(one, sentence)) for sentence in told]
        if not told and one.settled and identity(one, fsid, image) == identity(one, fsid, before):
            kept[_known_as(one, fsid)] = identity(one, fsid, image)
    return found


def _known_as(one: Wanted, fsid: str) -> str:
    """Two clusters may each have a pool of the name, and the same image in it."""
    return f"{fsid}/{one.key}"


def _sentence(one: Wanted, told: str) -> str:
    return f"{one.what} ({one.key}) {told}"
