"""What a new server can be made of now: the image, flavor and network of one that runs.

Nova and placement are asked at the time, since users delete images and fill hosts meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from typing import Any

from migrate.cloud.api import VERSION, Api, ApiError
from migrate.computes.room import Room
from migrate.errors import StepError

SERVERS = "2.74"  # tells flavors by their names
MANY = "200"  # servers that are looked at, of the host and of all

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """By ids."""

    image: str
    flavor: str
    network: str


def choose(
    api: Api, compute: str, *others: str, among: Collection[str] | None = None
) -> Model | None:
    """One that has room on *compute*, like a server there if one will do; None without room.

    It has room on each of *others* too; with *among* it is like one of these servers. StepError
    where no server shows what a new one could be made of.
    """
    usable, rooms = cache(partial(_usable, api)), [Room(api, one) for one in (compute, *others)]
    full = set()
    for image, flavor, server in _known(api, compute, *others):
        if flavor["id"] in full or (among is not None and server not in among):
            continue
        if usable(image) and (network := _network(api, server)):
            if all(room.takes(flavor) for room in rooms):
                return Model(image, flavor["id"], network)
            full.add(flavor["id"])
    if full:
        return None
    raise StepError(
        "no running server shows which image, flavor and network a new one could have; "
        "boot one server from an image by hand, then the same again"
    )


def _known(api: Api, *computes: str) -> Iterator[tuple[str, Row, str]]:
    """Image, flavor and id of servers; those on *computes* first, in their order.

    Of each, last are those whose flavor has demands that these may not meet, or not once more.
    """
    asked = {"is_public": "None", VERSION: SERVERS}
    rows = api.pages("compute", "/flavors/detail", "flavors", **asked)
    flavors = {one["name"]: one for one in rows}
    lists = [*(_servers(api, host=compute) for compute in computes), _servers(api)]
    for some in lists:
        some.sort(key=lambda one: bool(one["flavor"].get("extra_specs")))
    for server in chain.from_iterable(lists):
        flavor = flavors.get(server["flavor"]["original_name"])
        if server["image"] and flavor and not server["OS-EXT-STS:task_state"]:
            yield server["image"]["id"], flavor, server["id"]


def _servers(api: Api, **query: str) -> list[Row]:
    """Some that run, those with the least memory first."""
    asked = {"all_tenants": "1", "status": "ACTIVE", "limit": MANY, VERSION: SERVERS, **query}
    found: list[Row] = api.get("compute", "/servers/detail", **asked)["servers"]
    return sorted(found, key=lambda one: int(one["flavor"]["ram"]))


def _usable(api: Api, image: str) -> bool:
    try:
        return bool(api.get("image", f"/images/{image}")["status"] == "active")
    except ApiError as error:
        if error.status != 404:
            raise
        return False


def _network(api: Api, server: str) -> str:
    ports = api.get("network", "/ports", device_id=server)["ports"]
    return str(ports[0]["network_id"]) if ports else ""
