"""Data that going back loses for good: on storage of both sides, on a compute host, in an image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Protocol

from migrate.services import kinds
from migrate.verify.listing import Listing, Resource

NO_SERVER = "made since: the source knows no server that its disk on {} could be given to"
MOVED = "moved: the source looks for its disk on {}, it is on {}"
ONLY_THERE = "its bytes are in the target's glance only"


class Owners(Protocol):
    """Whose a resource is; see `losses.Projects`."""

    def name(self, id_: str) -> str: ...

    def project(self, type_: str, id_: str) -> str: ...


def name_of(resource: Resource, id_: str) -> str:
    for field in ("name", "stack_name", "display_name", "resource_name", "floating_ip_address"):
        if isinstance(resource.get(field), str) and resource[field]:
            return str(resource[field])
    return id_


def local(
    before: Listing, now: Listing, where: Owners, ours: Collection[str]
) -> Iterator[dict[str, str]]:
    """Disks of servers on their hosts, and bytes of images; none of *ours*, which is no user's."""
    old, new = before.resources.get("server"), now.resources.get("server")
    if old is not None and new is not None:
        for id_, one in old.items():
            if _has_disk(one) and (told := _disk(one, new.get(id_))):
                yield _lost("server", id_, one, where, told)
        for id_ in new.keys() - old.keys() - set(ours):
            if _has_disk(new[id_]):
                told = NO_SERVER.format(new[id_].get(HOST) or "its host")
                yield _lost("server", id_, new[id_], where, told)
    for type_ in ("image", "hidden-image"):
        old = {**before.resources.get("image", {}), **before.resources.get("hidden-image", {})}
        for id_, one in now.resources.get(type_, {}).items():
            if one.get("checksum") and not old.get(id_, {}).get("checksum"):
                yield _lost(type_, id_, one, where, ONLY_THERE)


HOST = "OS-EXT-SRV-ATTR:host"


def _has_disk(server: Resource) -> bool:
    """Whether it has a disk of its own on its host; one that boots from a volume may have none."""
    flavor: dict[str, Any] = server.get("flavor") or {}
    return bool(server.get("image") or flavor.get("ephemeral"))


def _disk(old: Resource, new: Resource | None) -> str:
    """What became of the disk of a server that the source knows; "" for nothing that shows."""
    if new is None:
        return "deleted: its disk is gone"
    if old.get("image") != new.get("image"):
        return "rebuilt: its disk was made anew"
    if new.get("status") == "SHELVED_OFFLOADED" != old.get("status"):
        return "shelved: its disk became an image of the target"
    if old.get("flavor") != new.get("flavor"):
        return "resized: the source knows its disk in another size"
    if old.get(HOST) != new.get(HOST):
        return MOVED.format(old.get(HOST), new.get(HOST))
    return ""


def shared(before: Listing, now: Listing, where: Owners) -> Iterator[dict[str, str]]:
    """What has its data on shared storage, where the source would not find it as it knows it."""
    for kind in kinds():
        type_, fields = kind.type, kind.data
        old, new = before.resources.get(type_), now.resources.get(type_)
        if fields is None or old is None or new is None:
            continue
        for id_, one in old.items():
            if id_ not in new:
                yield _lost(type_, id_, one, where, "deleted: its data is gone")
                continue
            for field, words in fields.items():
                if one.get(field) != new[id_].get(field):
                    told = f"{words}: {field} was {one.get(field)}, is {new[id_].get(field)}"
                    yield _lost(type_, id_, one, where, told)
    old, new = before.resources.get("snapshot", {}), now.resources.get("snapshot", {})
    for id_ in new.keys() - old.keys():
        volume = new[id_].get("volume_id", "")
        known = before.resources.get("volume", {}).get(volume)
        if known is not None:
            told = f"snapshot {name_of(new[id_], id_)} ({id_}) was made: {SNAPPED}"
            yield _lost("volume", volume, known, where, told)


SNAPPED = "where a snapshot is a file, the data goes on in one that the source does not know"


def passing(
    before: Listing, now: Listing, where: Owners, traces: Iterable[dict[str, str]]
) -> Iterator[dict[str, str]]:
    for one in traces:
        known = before.resources.get("volume", {}).get(one["volume_id"])
        listed = {*before.resources.get("snapshot", {}), *now.resources.get("snapshot", {})}
        if known is not None and one["id"] not in listed:
            told = f"snapshot {one['name'] or one['id']} was made and deleted again: {SNAPPED}"
            yield _lost("volume", one["volume_id"], known, where, told)


def _lost(type_: str, id_: str, one: Resource, where: Owners, what: str) -> dict[str, str]:
    project = where.name(where.project(type_, id_))
    return {"type": type_, "id": id_, "name": name_of(one, id_), "project": project, "what": what}
