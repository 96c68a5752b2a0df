"""Who uses the cluster learns the new monitors' addresses, beside the old ones.

A daemon or client that starts finds its first monitor by ceph.conf alone: one that only names those
that left would not start again.
"""

from __future__ import annotations

from collections.abc import Collection

from migrate.cloud import hosts
from migrate.cloud.host import Host
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.storage.ceph import conf

NOTE = "ceph-addresses"
PORTS = {"v2": 3300, "v1": 6789}  # where a new monitor listens


def told(users: Collection[Host], new: Collection[Host]) -> bool:
    """Whether each of *users* names every monitor of *new*."""
    return not untold(users, new)


def untold(users: Collection[Host], new: Collection[Host]) -> list[str]:
    """Names of those of *users* that do not."""
    texts = hosts.gather(users, lambda one: one.read(conf.PATH))
    return [
        user.name
        for user, text in zip(users, texts, strict=True)
        if any(not conf.names(text, one.address) for one in new)
    ]


def tell(users: Collection[Host], new: Collection[Host]) -> None:
    """Add what is missing; who runs goes on with what it knows."""

    def add(user: Host) -> None:
        text = user.read(conf.PATH)
        wanted = text
        for one in new:
            wanted = conf.with_address(wanted, one.address)
        if not conf.value(text, "mon_host"):
            raise PreconditionError(
                f"{user.name}: {conf.PATH} names no `mon host`: write the monitors' addresses there"
            )
        if wanted != text:
            call(user, "undo.note_file", NOTE, conf.PATH)
            call(user, "disk.rewrite", conf.PATH, wanted)

    hosts.gather(users, add)


def deaf(
    users: Collection[Host], at: Collection[str], heard: Collection[str] = ("open",)
) -> list[str]:
    """Names of those of *users* that do not reach each of "10.0.0.1:6789" and the like.

    *heard* is what counts as reached: where nobody listens yet, "refused" does, too.
    """
    asked = [[one.strip("[]"), int(port)] for one, _, port in (o.rpartition(":") for o in at)]
    told = hosts.gather(users, lambda one: call(one, "reach.ports", asked))
    return [one.name for one, said in zip(users, told, strict=True) if not {*said} <= {*heard}]


def left(users: Collection[Host], gone: Collection[str]) -> list[str]:
    """Names of those of *users* whose file would be another without the addresses of *gone*."""
    texts = hosts.gather(users, lambda one: one.read(conf.PATH))
    return [
        user.name for user, text in zip(users, texts, strict=True) if _without(text, gone) != text
    ]


def drop(users: Collection[Host], gone: Collection[str]) -> None:
    """Take those addresses out for good: each costs whoever starts seconds."""

    def take(user: Host) -> None:
        text = user.read(conf.PATH)
        if (wanted := _without(text, gone)) != text:
            call(user, "disk.rewrite", conf.PATH, wanted)

    hosts.gather(users, take)


def _without(text: str, gone: Collection[str]) -> str:
    named = [one for one in gone if conf.names(text, one)]
    for one in named:
        text = conf.without_address(text, one)
    return text


def forget(users: Collection[Host], _: Collection[Host]) -> None:
    """Put their files back; before the new monitors have left it makes no difference."""
    hosts.gather(users, lambda one: call(one, "undo.undo", NOTE))
