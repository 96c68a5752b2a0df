"""What a new server can be made of now: the image, flavor and network of one that runs.

The image of one that boots from a volume is the one that the volume was made of.

Nova and placement are asked at the time, since users delete images and fill hosts meanwhile.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, partial
from typing import Any

from migrate.cloud.api import VERSION, Api, unless_gone
from migrate.computes.images import GIB, ROOT
from migrate.computes.room import Room
from migrate.errors import StepError

SERVERS = "2.74"  # tells flavors by their names
OF_ALL = ("public", "community")
MANY = "50"  # servers that are looked at of each flavor: one may boot from a volume

Row = dict[str, Any]


class NoPlaceError(StepError):
    """Nova's scheduler puts no new server on the host."""


class NoServerError(StepError):
    """No new server can be made, whichever host it is for; that says nothing against a host."""


@dataclass(frozen=True, slots=True)
class Model:
    """By ids. `root` is what the server `like` boots from, where that is a volume: a user's, which
    may be gone by the time that a new one is made.

    A new one boots from `volume`, which is ours; where there is none, from the image.
    """

    image: str
    flavor: str
    network: str
    like: str = field(default="", compare=False)
    root: str = ""
    type: str = ""  # of `root`, and of a new one
    zone: str = ""  # in which cinder has it
    size: int = 0  # GiB that a new one takes
    volume: str = ""


def candidates(
    api: Api,
    compute: str,
    *others: str,
    among: Collection[str] | None = None,
    from_volume: bool = False,
) -> Iterator[Model]:
    """All that have room on *compute* and each of *others*, one of each flavor: the scheduler may
    know better than we. Those like a server there come first; with *among* they are like these.
    Only servers that boot from a volume show one with *from_volume*, and none of them without.

    NoServerError where none shows what a new one could be made of, or only images of users' own,
    which are not ours to boot.
    """
    look, rooms = cache(partial(_image, api)), [Room(api, one) for one in (compute, *others)]
    tried, private = set(), set[str]()
    for flavor, server in _known(api, compute, *others):
        id_ = server["id"]
        if flavor["id"] in tried or (among is not None and id_ not in among):
            continue
        if bool(server["image"]) is from_volume:
            continue
        root = _root(api, server) if from_volume else {}
        image = _origin(root) if from_volume else str(server["image"]["id"])
        found, row = look(image)
        if found is _Image.PRIVATE:
            private.add(image)
        if found is _Image.USABLE and (network := _network(api, id_)):
            tried.add(flavor["id"])
            if all(room.takes(flavor, volume_booted=from_volume) for room in rooms):
                made = Model(image, flavor["id"], network, like=id_)
                yield _rooted(made, root, row) if root else made
    if private and not tried:
        raise NoServerError(
            f"what runs is of users' own images ({', '.join(sorted(private)[:3])}), which are not "
            "ours to boot: boot one server from a public image by hand, then the same again"
        )
    if not tried and from_volume:
        raise NoServerError(
            "no running server that boots from a volume shows which image, that is still there, a "
            "new one could be made of; boot one so by hand, then the same again"
        )
    if not tried:
        raise NoServerError(
            "no running server shows which image, flavor and network a new one could have; "
            "boot one server from an image by hand, then the same again"
        )


def best(api: Api, compute: str, *others: str) -> Iterator[Model]:
    """`candidates` that boot from an image; from a volume, which takes longer, where none of these
    fits.
    """
    unshown = []
    for from_volume in (False, True):
        found = candidates(api, compute, *others, from_volume=from_volume)
        try:
            first = next(found, None)
        except NoServerError as error:
            unshown.append(error)
            continue
        if first is not None:
            yield first
            yield from found
            return
    if len(unshown) > 1:
        raise NoServerError("; ".join(map(str, unshown)))


def _known(api: Api, *computes: str) -> Iterator[tuple[Row, Row]]:
    """Flavors and servers; those on *computes* first, all of them.

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


def _shown(servers: Iterable[Row], flavors: Mapping[str, Row]) -> Iterator[tuple[Row, Row]]:
    for server in servers:
        flavor = flavors.get(server["flavor"]["original_name"])
        if flavor and not server["OS-EXT-STS:task_state"]:
            yield flavor, server


def _plainest(flavor: Row) -> tuple[bool, int]:
    return bool(flavor.get("extra_specs")), int(flavor["ram"])


class _Image(Enum):
    USABLE, PRIVATE, GONE = range(3)


def _image(api: Api, image: str) -> tuple[_Image, Row]:
    """Whether a server of ours may be made of *image*: one that is for all, or our own; and it."""
    if not image:
        return _Image.GONE, {}
    with unless_gone():
        found = api.get("image", f"/images/{image}")
        if found["status"] == "active":
            ours = found["visibility"] in OF_ALL or found["owner"] == api.project
            return (_Image.USABLE if ours else _Image.PRIVATE), found
    return _Image.GONE, {}


def _root(api: Api, server: Row) -> Row:
    """The volume that nova's *server* boots from; {} where it is gone meanwhile."""
    at = (server["id"], server.get(ROOT))
    for one in server["os-extended-volumes:volumes_attached"]:
        with unless_gone():
            found: Row = api.get("volume", f"/volumes/{one['id']}")["volume"]
            if at in {(to["server_id"], to["device"]) for to in found["attachments"]}:
                return found
    return {}


def _rooted(model: Model, root: Row, image: Row) -> Model:
    where = {"type": root["volume_type"], "zone": root["availability_zone"]}
    return replace(model, root=root["id"], size=_size(image, root), **where)


def _origin(volume: Row) -> str:
    """The image that *volume* was made of, "" of none."""
    return str((volume.get("volume_image_metadata") or {}).get("image_id") or "")


def _size(image: Row, root: Row) -> int:
    """GiB of a volume that takes *image*; where glance cannot tell, those of *root*, made of it."""
    size = image.get("virtual_size") or (image["disk_format"] == "raw" and image["size"])
    return max(1, image["min_disk"], -(-size // GIB)) if size else int(root["size"])


def _network(api: Api, server: str) -> str:
    ports = api.get("network", "/ports", device_id=server)["ports"]
    return str(ports[0]["network_id"]) if ports else ""
