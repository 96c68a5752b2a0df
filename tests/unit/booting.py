"""The small nova of `nova.py` that boots servers too, with as much of neutron, glance and placement
as that takes, and hosts with a libvirt.

`walls` are ways on which no live migration works, `full` hosts without room, `diskless` ones with
room for servers that boot from volumes alone, `broken` ones on which no new server comes up. Its
cinder deletes no volume but ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from migrate.cloud import Context, api, login
from migrate.cloud.api import Api
from migrate.cloud.installation import environment
from migrate.computes.draining import move, turns
from migrate.computes.images import ROOT
from migrate.verify import boot
from tests.unit import fakes, network, nova
from tests.unit.network import Answer, Killed

KIND = {"ports": "port", "security-groups": "security_group", "security-group-rules": "rule"}
FOLDER = environment("2026.1").folder
DEVICE = "/dev/vda"


class Cloud(nova.Nova):
    """A server `web` runs on c1, which a new one can be like."""

    def __init__(self) -> None:
        super().__init__()
        self.walls: set[tuple[str, str]] = set()
        self.full: set[str] = set()
        self.diskless: set[str] = set()
        self.broken: set[str] = set()
        self.image = {
            **{"status": "active", "visibility": "public", "owner": "p"},
            **{"disk_format": "qcow2", "size": 30, "virtual_size": 3 * 2**30, "min_disk": 0},
        }
        self.stuck: set[str] = set()  # what nobody can delete
        self.fault = "no such luck"  # that nova tells of one there
        self.made: dict[str, dict[str, Any]] = {}  # of neutron's
        self.shape = {"machine": "pc-q35-10.0", "firmware": "bios", "disks": ["local file"]}
        self.shapes: dict[str, dict[str, Any]] = {}  # of servers that have another
        self.ports = [16509]
        self.dead = False  # the program: it asks nothing any more
        self.volumes: dict[str, dict[str, Any]] = {}  # "at" is the server that has it
        self.refused = 0  # by what status cinder refuses a new volume
        self.becomes = "available"  # a new volume that an image is copied into, after some looks
        self.looks_at_copies = 2
        self.copying: Callable[[], object] = lambda: None  # at each of them
        self.renewed: set[str] = set()
        self.add("web")

    @property
    def left(self) -> list[str]:
        """What stands that no user has made."""
        ours = [one for one, row in self.servers.items() if row["metadata"].get(boot.NAME)]
        volumes = [one for one, row in self.volumes.items() if row["metadata"].get(boot.NAME)]
        return [*ours, *self.made, *volumes]

    def add_volume(self, id_: str, of: str, type_: str = "nfs") -> None:
        """A user's, which the server *of* has."""
        row = {"volume_type": type_, "availability_zone": "nova", "metadata": {}, "name": "data"}
        self.volumes[id_] = {"id": id_, "status": "in-use", "at": of, **row}
        self.servers[of]["os-extended-volumes:volumes_attached"].append({"id": id_})

    def boots(self, of: str, volume: str) -> None:
        """The server *of* boots from *volume*, of which it is told which image it was made of."""
        self.shapes[of] = {**self.shape, "disks": ["volume rbd"]}
        self.servers[of] |= {"image": "", ROOT: DEVICE}
        made = {"size": 40, "volume_image_metadata": {"image_id": "i"}}
        self.volumes[volume] |= {"device": DEVICE, **made}

    def request(self, url: str, method: str, **more: Any) -> Answer:
        if self.dead and self.dies_at is not None:
            raise Killed(method)
        try:
            return self._request(url, method, **more)
        except Killed:
            self.dead = True
            raise

    def _request(self, url: str, method: str, **more: Any) -> Answer:
        at = urlsplit(url)
        path = at.path.strip("/").split("/")
        query = more.get("params") or {one: v[0] for one, v in parse_qs(at.query).items()}
        body = more.get("json") or {}
        boots, deletes = ("POST", ["servers"]), ("DELETE", ["servers", path[-1]])
        attaches = path[3:] == ["os-volume_attachments"]
        if at.port == 8774 and (method, path[1:]) not in (boots, deletes) and not attaches:
            return super().request(url, method, **more)
        with self.lock:
            if method != "GET":
                self._happens(f"{method} {path[3 if attaches else 1]}")
            if at.port == 8776:
                return self._cinder(path[1:], method, body)
            if at.port != 8774:
                return self._beside(path[1:], method, query, body)
            if attaches:
                return self._attach(path[2], body["volumeAttachment"]["volumeId"])
            if method == "POST":
                return self._boot(body["server"])
            return Answer(204 if self.servers.pop(path[-1], None) else 404, {})

    def _cinder(  # noqa: PLR0911
        self, path: list[str], method: str, body: dict[str, Any]
    ) -> Answer:
        """What it holds, it holds of volumes that are not named as ours."""
        row = self.volumes.get(path[-1])
        match (method, path):
            case ("POST", ["volumes"]) if self.refused:
                return Answer(self.refused, {"said": "VolumeLimitExceeded"})
            case ("POST", ["volumes"]):
                id_ = f"volume{len(self.events)}"
                row = {"id": id_, "status": "available", "at": "", **body["volume"]}
                if "imageRef" in row:
                    row |= {"status": "downloading", "looks": self.looks_at_copies}
                self.volumes[id_] = {**row, "os-vol-tenant-attr:tenant_id": "ours"}
                return Answer(202, {"volume": self.volumes[id_]})
            case ("GET", ["volumes", "detail"]):
                rows = [one for one in self.volumes.values() if one["name"] == boot.VOLUME]
                return Answer(200, {"volumes": rows})
            case (_, ["volumes", _]) if row is None:
                return Answer(404, {})
            case ("GET", ["volumes", id_]):
                if row and row["at"] and row["at"] not in self.servers:
                    row |= {"at": "", "status": "available"}
                if row and row["status"] == "downloading":
                    row["looks"] -= 1
                    self.copying()
                    row["status"] = row["status"] if row["looks"] else self.becomes
                return Answer(200, {"volume": {**(row or {}), "attachments": _attached(row)}})
            case ("DELETE", ["volumes", id_]):
                assert row
                if row["name"] != boot.VOLUME or id_ in self.stuck:
                    return Answer(403, {})
                if row["status"] not in ("available", "error"):
                    return Answer(400, {})
                del self.volumes[id_]
                return Answer(202, {})
        return Answer(404, {})

    def _attach(self, server: str, volume: str) -> Answer:
        self.volumes[volume] |= {"at": server, "status": "in-use"}
        shape = self.shapes.get(server, self.shape)
        self.shapes[server] = {**shape, "disks": sorted({*shape["disks"], "volume rbd"})}
        return Answer(200, {})

    def _happens(self, what: str) -> None:
        if self.dies_at is not None and self.dies_at <= len(self.events):
            raise Killed(what)
        self.events.append(what)

    def _boot(self, wanted: dict[str, Any]) -> Answer:
        id_ = f"new{len(self.events)}"
        for disk in wanted.get("block_device_mapping_v2", ()):
            volume = self.volumes[disk["uuid"]]
            if volume["status"] != "available" or "imageRef" not in volume:
                return Answer(400, {})
            volume |= {"at": id_, "status": "in-use"}
            self.shapes[id_] = {**self.shape, "disks": ["volume rbd"]}
        self.add(id_, wanted["host"], "BUILD")
        server = self.servers[id_]
        server |= {"name": wanted["name"], "metadata": wanted["metadata"], "tenant_id": "ours"}
        if wanted["host"] in self.broken:
            server |= {"status": "ERROR", "fault": {"message": self.fault}}
        else:
            self._begin(server, "BUILD", partial(self._rest, server, status="ACTIVE"))
        return Answer(202, {"server": {"id": id_}})

    def _beside(  # noqa: PLR0911
        self, path: list[str], method: str, query: Mapping[str, str], body: dict[str, Any]
    ) -> Answer:
        match (method, path):
            case ("POST", [kind]):
                id_ = f"{KIND[kind]}{len(self.events)}"
                row = {
                    "id": id_,
                    "project_id": "ours",
                    "fixed_ips": [{"ip_address": "10.7.0.9"}],
                    **next(iter(body.values())),
                }
                if KIND[kind] != "rule":
                    self.made[id_] = row
                return Answer(201, {KIND[kind]: row})
            case ("DELETE", [_, id_]) if id_ in self.stuck:
                return Answer(409, {})
            case ("DELETE", [_, id_]):
                return Answer(204 if self.made.pop(id_, None) else 404, {})
            case ("GET", ["images", _]):
                return Answer(200, self.image)
            case ("GET", ["ports"]) if "device_id" in query:
                return Answer(200, {"ports": [{"id": "port", "network_id": "net"}]})
            case ("GET", ["ports", _, "bindings"]):
                return Answer(200, {"bindings": [{"host": "c1", "status": "ACTIVE"}]})
            case ("GET", ["ports" | "security-groups" as kind]):
                rows = [row for one, row in self.made.items() if one.startswith(KIND[kind])]
                return Answer(200, {kind.replace("-", "_"): rows})
            case ("GET", ["networks", _, "dhcp-agents"]):
                return Answer(200, {"agents": []})
            case ("GET", ["allocation_candidates"]):
                on_disk = "DISK_GB" in query["resources"] and query["in_tree"] in self.diskless
                fits = query["in_tree"] not in self.full and not on_disk
                return Answer(200, {"allocation_requests": [{}] * fits})
        return Answer(404, {})

    def _told(self, path: list[str], query: dict[str, str]) -> Answer:
        match path:
            case ["servers", "detail"]:
                rows = [self._look(one) for one in list(self.servers)]
                wanted = query.get("name", "").strip("^")
                return Answer(
                    200,
                    {
                        "servers": [
                            one
                            for one in rows
                            if query.get("host") in (None, one[nova.HOST])
                            and query.get("status") in (None, one["status"])
                            and one["name"].startswith(wanted)
                        ]
                    },
                )
            case ["os-services"] if "host" not in query:
                rows = [{"host": one, "zone": "z", **row} for one, row in self.services.items()]
                return Answer(200, {"services": rows})
            case ["os-hypervisors", "detail"]:
                name = query["hypervisor_hostname_pattern"]
                return Answer(200, {"hypervisors": [{"id": name, "service": {"host": name}}]})
            case ["flavors", "detail"]:
                flavor = {"id": "f", "name": "f", "vcpus": 1, "ram": 64, "disk": 1}
                return Answer(200, {"flavors": [flavor]})
        return super()._told(path, query)

    def _os_migratelive(self, server: dict[str, Any], given: dict[str, Any]) -> None:
        if (server[nova.HOST], given.get("host")) in self.walls:
            self.script[server["id"]] = "error"
        super()._os_migratelive(server, given)

    def seen(self, host: str) -> dict[str, Any]:
        """What `onhost/hypervisor.py` would say there."""
        here = [one for one, row in self.servers.items() if row[nova.HOST] == host]
        program = f"{FOLDER if host in self.renewed else '/usr'}/bin/nova-compute"
        return {
            **{"qemu": "10.0.2", "libvirt": "11.3.0", "program": program, "ports": self.ports},
            "cpu": {"arch": "x86_64", "vendor": "Intel", "model": "Skylake", "features": []},
            **{"texts": {}, "given": {}, "keys": {}},
            "servers": {one: self.shapes.get(one, self.shape) for one in here},
        }


def _attached(row: dict[str, Any] | None) -> list[dict[str, str]]:
    if not row or not row["at"]:
        return []
    return [{"server_id": row["at"], "device": row.get("device", "/dev/vdb")}]


class Hypervisor(fakes.FakeHost):
    def __init__(self, name: str, cloud: Cloud) -> None:
        super().__init__(name)
        self.cloud = cloud

    def python(self, source: str, *given: Any, **more: Any) -> Any:
        if source.startswith("# hypervisor.seen"):
            return json.loads(json.dumps(self.cloud.seen(self.name)))
        return super().python(source, *given, **more)


class Connection(network.Connection):
    urls: ClassVar[Mapping[str, str]] = {
        "compute": nova.URL,
        "network": "http://cloud:9696/v2.0",
        "image": "http://cloud:9292/v2",
        "volumev3": "http://cloud:8776/v3",
        "placement": "http://cloud:8778/placement",
    }


def context(folder: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, **decided: Any) -> Context:
    """Both clouds with the hosts of *cloud*, and nobody who waits."""
    for module, name, value in (
        (login, "api", lambda _: Api(Connection(cloud))),
        (move, "PAUSE", 0.0),
        (boot, "PAUSE", 0.0),
        (turns, "LOOK_SECONDS", 0.01),
        (api, "PAUSES", ()),
    ):
        monkeypatch.setattr(module, name, value)
    found = nova.context(folder, **decided)
    computes = tuple(Hypervisor(one.name, cloud) for one in found.source.computes)
    return replace(found, source=replace(found.source, computes=computes))
