"""What a new server can be made of now: the image, flavor and network of one that runs.

Nova and placement are asked at the time, since users delete images and fill hosts meanwhile.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from typing import Any

from migrate.cloud.api import VERSION, Api, unless_gone
from migrate.computes.room import Room
from migrate.errors import StepError

SERVERS = "2.74"  # tells flavors by their names
OF_ALL = ("public", "community")
MANY = "50"  # servers that are looked at of each flavor: one may boot from a volume

Row = dict[str, Any]


class NoPlaceError(StepError):
    """No server that could be tried may be made, or nova's scheduler puts none on the host."""


@dataclass(frozen=True, slots=True)
class Model:
    """By ids."""

    image: str
    flavor: str
    network: str


def candidates(
    api: Api, compute: str, *others: str, among: Collection[str] | None = None
) -> Iterator[Model]:
    """All that have room on *compute* and each of *others*, one of each flavor: the scheduler may
    know better than we. Those like a server there come first; with *among* they are like these.

    StepError where no server shows what a new one could be made of; NoPlaceError where they show
    only images of users' own, which are not ours to boot.
    """
    look, rooms = cache(partial(_image, api)), [Room(api, one) for one in (compute, *others)]
    tried, private = set(), set[str]()
    for image, flavor, server in _known(api, compute, *others):
        if flavor["id"] in tried or (among is not None and server not in among):
            continue
        found = look(image)
        if found is _Image.PRIVATE:
            private.add(image)
        if found is _Image.USABLE and (network := _network(api, server)):
            tried.add(flavor["id"])
            if all(room.takes(flavor) for room in rooms):
                yield Model(image, flavor["id"], network)
    if private and not tried:
        raise NoPlaceError(
            f"what runs is of users' own images ({', '.join(sorted(private)[:3])}), which are not "
            "ours to boot: boot one server from a public image by hand, then the same again"
        )
    if not tried:
        raise StepError(
            "no running server shows which image, flavor and network a new one could have; "
            "boot one server from an image by hand, then the same again"
        )


def _known(api: Api, *computes: str) -> Iterator[tuple[str, Row, str]]:
    """Image, flavor and id of servers; those on *computes* first, all of them.

    Then some of each flavor. Of all, last are those whose flavor has demands that these may not
    meet, or not once more.
    """
    asked = {"is_public": "None", VERSION: SERVERS}
    rows = api.pages("compute", "/flavors/detail", "flavors", **asked)
    flavors = {one["name"]: one for one in rows}
    for compute in computes:
        here = {"all_tenants": "1", "status": "ACTIVE", "host": compute, VERSION: SERVERS}
        there = api.pages("compute", "/servers/detail", "servers", **here)
        yield from _shown(sorted(there, key=lambda one: _plainest(one["flavor"])), flavors)
    for flavor in sorted(rows, key=_plainest):
        asked = {"all_tenants": "1", "status": "ACTIVE", "flavor": flavor["id"], "limit": MANY}
        some = api.get("compute", "/servers/detail", **asked, **{VERSION: SERVERS})["servers"]
        yield from _shown(some, flavors)


def _shown(servers: Iterable[Row], flavors: Mapping[str, Row]) -> Iterator[tuple[str, Row, str]]:
    for server in servers:
        flavor = flavors.get(server["flavor"]["original_name"])
        if server["image"] and flavor and not server["OS-EXT-STS:task_state"]:
            yield server["image"]["id"], flavor, server["id"]


def _plainest(flavor: Row) -> tuple[bool, int]:
    return bool(flavor.get("extra_specs")), int(flavor["ram"])


class _Image(Enum):
    USABLE, PRIVATE, GONE = range(3)


def _image(api: Api, image: str) -> _Image:
    """Whether a server of ours may be made of *image*: one that is for all, or our own."""
    with unless_gone():
        found = api.get("image", f"/images/{image}")
        if found["status"] == "active":
            ours = found["visibility"] in OF_ALL or found["owner"] == api.project
            return _Image.USABLE if ours else _Image.PRIVATE
    return _Image.GONE


def _network(api: Api, server: str) -> str:
    ports = api.get("network", "/ports", device_id=server)["ports"]
    return str(ports[0]["network_id"]) if ports else ""
