"""A cluster of two hosts with OSDs beneath a cloud that is over, as its own programs tell of it.

No machine of the unit tests has one: what daemons do here is what the rig's were seen to do, and no
proof that they do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.cloud.settings import Reinstall
from migrate.computes.reinstalling.kept import KEPT
from migrate.database import connection, copied_urls
from migrate.database.service_databases import ServiceDatabase
from migrate.engine.journal import Journal
from migrate.errors import CommandError
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.storage.ceph import conf
from tests.unit.ceph_hosts import CONF, CephHost, context
from tests.unit.fakes import MARKS
from tests.unit.test_ceph import SAID

OLD, NEW = (16, 2, 15), (18, 2, 7)
COMMAND = """#!/bin/sh
cp "$3" {folder}/list.json
cat "$3" >{folder}/systems/$1-$(ls {folder}/systems | wc -l)
"""


def told(version: tuple[int, ...]) -> str:
    return f"ceph version {'.'.join(map(str, version))} (0) name (stable)"


class Cluster:
    """Its maps: monitors and managers by their release, OSDs, flags, and what each host noted."""

    def __init__(self, *, joined: bool) -> None:
        ours = {"new": NEW} if joined else {}
        self.monitors = {"mon1": OLD, **ours}
        self.places = {"mon1": "10.0.0.1"}  # addresses of monitors; of all others the same
        self.carries: dict[str, set[str]] = {}  # by host, of addresses that move
        self.managers = {"mon1": OLD, **ours}
        self.modules = ["iostat", "nfs", *([] if joined else ["restful"])]
        self.active = "mon1"
        self.osds = {0: ("osd1", OLD), 1: ("osd2", OLD)}
        self.down: set[int] = set()
        self.held: set[str] = set()
        self.required = "pacific"
        self.most_down = 0
        self.gateways = {"mon"}  # hosts of those that answer
        self.away: set[str] = set()  # monitors that are not in the quorum
        self.lost = False  # the new monitor is dead, and with it the quorum of the two

    @property
    def said(self) -> dict[str, Any]:
        """What `onhost.ceph.read` is told."""
        found: dict[str, Any] = deepcopy(SAID)
        mon = json.dumps(found["quorum"]["monmap"]["mons"][0])
        found["quorum"]["monmap"]["mons"] = [
            {**json.loads(mon.replace("10.0.0.1:", f"{self.place(one)}:")), "name": one}
            for one in self.monitors
        ]
        quorum = [one for one in self.monitors if one not in self.away]
        found["quorum"]["quorum_names"] = [] if self.lost else quorum
        counted = {"mon": self.monitors.values(), "mgr": self.managers.values()}
        counted["osd"] = [version for _, version in self.osds.values()]  # type: ignore[assignment]
        found["versions"] = {
            kind: {told(one): [*those].count(one) for one in those}
            for kind, those in counted.items()
        }
        found["osds"] |= self.dump
        found["tree"]["nodes"] = [
            {"id": -1 - id_, "name": host, "type": "host", "children": [id_]}
            for id_, (host, _) in self.osds.items()
        ]
        found["metadata"] = [
            {"id": id_, "ceph_version": told(version), "osd_objectstore": "bluestore"}
            for id_, (_, version) in self.osds.items()
        ]
        runs = [{"name": one, "can_run": True, "error_string": ""} for one in self.modules]
        found["managers"] |= {
            "active_name": self.active,
            "available": True,
            "modules": self.modules,
            "always_on_modules": {"pacific": [], "reef": []},
            "standbys": [
                {"name": one, "available_modules": runs}
                for one in self.managers
                if one != self.active
            ],
        }
        return found

    def place(self, monitor: str) -> str:
        return self.places.get(monitor, "10.0.0.12")

    def refuse_lost(self, host: str) -> None:
        if self.lost:
            raise CommandError(host, "python3", 1, "RuntimeError: ceph gave no answer in 40 s")

    @property
    def dump(self) -> dict[str, Any]:
        return {
            "osds": [{"osd": id_, "up": int(id_ not in self.down), "in": 1} for id_ in self.osds],
            "crush_node_flags": {name: ["noout"] for name in sorted(self.held)},
            "require_osd_release": self.required,
        }


class Machine(CephHost):
    """A host of it; each file in *systems* is a system of one that the operator's command made."""

    def __init__(self, name: str, cluster: Cluster, systems: Path) -> None:
        super().__init__(name)
        self.cluster, self.systems, self.seen = cluster, systems, 0
        self.notes: dict[str, Any] = {}
        self.packages: set[str] = set()
        self.adopted = self.own = False
        self.release = NEW[0] if name.startswith("new") else OLD[0]
        self.mounts: dict[str, Any] = {}

    def python(self, source: str, payload: Any = None, *more: Any, **other: Any) -> Any:
        made = sorted(self.systems.glob(f"{self.name}-*"))
        if len(made) > self.seen:
            self.notes, self.packages, self.files, self.seen = {}, set(), {}, len(made)
            self.adopted = self.own = False
            back = json.loads(made[-1].read_text())["back"]
            self.release = OLD[0] if back else NEW[0]
        function = source.strip().splitlines()[0].lstrip("# ")
        act = getattr(self, f"_{function.replace('.', '_')}", None)
        if act is None or function in self.answers:
            return super().python(source, payload, *more, **other)
        self._note(function)
        self.given.append((function, list(payload["arguments"])))
        return json.loads(json.dumps(act(*payload["arguments"])))

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        if "apt-get" in script:
            self.packages |= set(args)
        if args and "marker" in args[0]:
            return MARKS.replace("synced", "released")
        return super().shell(script, *args)

    def _record_load(self, name: str) -> Any:
        return self.notes.get(name)

    def _record_every(self, prefix: str) -> Any:
        return {name: one for name, one in self.notes.items() if name.startswith(prefix)}

    def _record_save(self, name: str, value: Any) -> None:
        self.notes[name] = value

    def _record_forget(self, name: str) -> None:
        self.notes.pop(name, None)

    def _notes_left(self, kept: list[str]) -> Any:
        return [f"{one}.json" for one in self.notes if f"{one}.json" not in kept]

    def _notes_remove(self, kept: list[str]) -> None:
        self.notes = {one: value for one, value in self.notes.items() if f"{one}.json" in kept}

    # the cluster

    def _ceph_read(self) -> Any:
        self.cluster.refuse_lost(self.name)
        return self.cluster.said

    def _ceph_ask(self, *question: str) -> Any:
        self.cluster.refuse_lost(self.name)
        if question == ("mgr", "dump"):
            return self.cluster.said["managers"]
        if question == ("osd", "lspools"):
            return [{"poolname": "images"}]
        if question == ("config-key", "ls"):
            return []
        assert question == ("osd", "dump")
        return self.cluster.dump

    def _ceph_run(self, *argv: str) -> str:
        self.cluster.refuse_lost(self.name)
        if argv[:2] == ("osd", "require-osd-release"):
            self.cluster.required = argv[2]
        if argv[:3] == ("mgr", "module", "disable"):
            self.cluster.modules.remove(argv[3])
        if argv[:3] == ("mgr", "module", "enable"):
            self.cluster.modules.append(argv[3])
        if argv[:2] == ("mgr", "fail"):
            assert self.cluster.active == argv[2]
            self.cluster.active = next(one for one in self.cluster.managers if one != argv[2])
        return ""

    def _ceph_statistics(self) -> Any:
        self.cluster.refuse_lost(self.name)
        groups = 0 if self.cluster.down else 8
        return {
            "manager": self.cluster.active,
            "available": True,
            "up": sorted(self.cluster.osds.keys() - self.cluster.down),
            "reported": sorted(self.cluster.osds),
            "ready": True,
            "groups": [{"name": "active+clean" if groups else "active+undersized", "num": 8}],
            "told": [{"state_name": "active+clean" if groups else "active+undersized", "count": 8}],
        }

    def _ceph_hold(self, host: str) -> None:
        self.cluster.held.add(host)

    def _ceph_let_go(self, host: str) -> None:
        self.cluster.held.discard(host)

    def _ceph_unstoppable(self, ids: list[str]) -> str:
        return "would become offline" if self.cluster.down - {*map(int, ids)} else ""

    def _ceph_places(self, ids: list[int]) -> Any:
        return [[one, f"fsid{one}", 1.0, self.cluster.osds[one][0], "default"] for one in ids]

    def _ceph_recovered(self) -> Any:
        return [7, 4096]

    def _ceph_release(self, program: str) -> int:
        return self.release

    # monitors and managers

    def _monitor_standing(self) -> Any:
        id_ = "mon1" if self.name == "mon" else self.name
        if f"{id_}-beside" in self.cluster.monitors and id_ not in self.cluster.monitors:
            id_ = f"{id_}-beside"
        if id_ not in self.cluster.monitors or (self.cluster.lost and id_ == "new"):
            return {}
        said = self.cluster.said["quorum"]
        map_, quorum = said["monmap"], said["quorum_names"]
        return {"id": id_, "state": "leader", "quorum": quorum, "map": map_}

    def _monitor_remove(self, name: str) -> None:
        del self.cluster.monitors[name]
        self.cluster.away.discard(name)

    def _monitor_expel(self, name: str) -> None:
        assert self.name == "mon"
        del self.cluster.monitors[name]
        self.cluster.lost = False

    def _monitor_lacks(self) -> str:
        return ""

    def _monitor_noted(self) -> bool:
        return "ceph-monitor" in self.notes

    def _monitor_made(self, name: str) -> bool:
        return name in self.cluster.monitors

    def _monitor_invitation(self) -> Any:
        return {"conf": self.files[conf.PATH], "map": "", "key": "", "admin": ""}

    def _monitor_make(self, name: str, text: str, _: Any) -> None:
        self.notes["ceph-monitor"] = {"name": name}
        self.files[conf.PATH] = text
        self.cluster.monitors[name] = NEW

    def _monitor_make_beside(self, name: str, text: str, _: Any) -> None:
        self.notes["ceph-monitor-beside"] = {"name": name}
        self.files[conf.PATH] = text
        self._join(name)

    def _monitor_make_again(self, name: str, text: str, _: Any) -> None:
        assert name not in self.cluster.monitors
        self.files[conf.PATH] = text
        self._join(name)

    def _join(self, name: str) -> None:
        """Where its ceph.conf says, if that is an address of this host."""
        place = (
            conf.section(self.files[conf.PATH], f"mon.{name}").split("public addr = ")[1].strip()
        )
        assert place in self.cluster.carries[self.name]
        others = [one for one in self.cluster.monitors if one != name]
        assert place not in map(self.cluster.place, others)
        self.cluster.monitors[name] = NEW
        self.cluster.places[name] = place

    def _monitor_succeed(self, beside: str, name: str, text: str, addresses: str) -> None:
        if beside in self.cluster.monitors:
            assert set(self.cluster.monitors) == {beside}  # it would be a quorum of its own
            place = self.cluster.places.pop(beside)
            assert addresses == f"[v2:{place}:3300,v1:{place}:6789]"
            self.cluster.monitors = {name: NEW}
            self.cluster.places[name] = place
        self.files[conf.PATH] = text
        self.notes.pop("ceph-monitor-beside")

    def _monitor_quiet(self) -> None:
        self.cluster.away.add(self.name)

    def _monitor_withdraw(self) -> None:
        assert self.name not in self.cluster.managers
        if self.notes.pop("ceph-monitor", None):
            del self.files[conf.PATH]

    # addresses that move

    def _moved_address_standing(self, address: str) -> Any:
        there = address in self.cluster.carries.get(self.name, {"10.0.0.1"})
        return {
            "devices": ["eth0"] * there,
            "at": ["ceph-mon"],
            "everywhere": [],
            "from": ["ceph-mgr", "radosgw"],
            "routes": [],
        }

    def _moved_address_place(self, address: str) -> Any:
        return {"device": "eth0", "prefix": 24}

    def _moved_address_give_up(self, address: str) -> None:
        self.cluster.carries[self.name] = set()

    def _moved_address_given(self, address: str) -> bool:
        return address not in self.cluster.carries.get(self.name, {address})

    def _moved_address_carry(self, address: str, before: list[str]) -> None:
        assert not any(address in one for one in self.cluster.carries.values())
        self.cluster.carries[self.name] = {address}

    def _moved_address_carried(self, address: str) -> bool:
        return address in self.cluster.carries.get(self.name, ())

    def _arp_ask(self, device: str, address: str, seconds: float) -> Any:
        return []

    def _reach_ports(self, asked: list[Any]) -> Any:
        reached = {*map(self.cluster.place, self.cluster.monitors)}
        names = self.cluster.monitors.keys()
        return [
            "open" if one in reached else "timeout" if one != "new" or one in names else "refused"
            for one, _ in asked
        ]

    def _manager_lacks(self) -> str:
        return ""

    def _manager_begin(self, name: str, modules: list[str], pool: bool) -> Any:
        assert name in self.cluster.monitors  # else it has no key to ask with
        return self.notes.setdefault(
            "ceph-manager", {"name": name, "modules": modules, "pool": pool}
        )

    def _manager_make(self, name: str, _: str) -> None:
        self.cluster.managers[name] = NEW

    def _manager_made(self, name: str) -> bool:
        return name in self.cluster.managers

    def _manager_noted(self) -> Any:
        return self.notes.get("ceph-manager", {})

    def _manager_quiet(self) -> None:
        if "ceph-manager" in self.notes:
            del self.cluster.managers[self.name]

    def _manager_withdraw(self) -> None:
        self.notes.pop("ceph-manager", None)

    # gateways, and who visits them

    def _gateway_lacks(self) -> str:
        return ""

    def _gateway_standing(self) -> Any:
        its = {"id": "rgw.a", "frontends": "beast port=80", "keyring": "/k"}
        return its if self.name in self.cluster.gateways else {}

    def _gateway_zones(self, id_: str, keyring: str) -> Any:
        return ["default"]

    def _gateway_settings(self, id_: str) -> Any:
        return {"told": [], "sums": {}}

    def _gateway_noted(self) -> Any:
        return self.notes.get("ceph-gateway", {})

    def _gateway_begin(self, id_: str, keyring: str, port: int) -> Any:
        ours = {"id": id_, "keyring": keyring, "port": port}
        return self.notes.setdefault("ceph-gateway", ours)

    def _gateway_make(self, key: str, section: str) -> None:
        assert self.notes["ceph-gateway"]
        self.cluster.gateways.add(self.name)

    def _gateway_made(self) -> bool:
        return "ceph-gateway" in self.notes and self.name in self.cluster.gateways

    def _gateway_withdraw(self) -> None:
        if self.notes.pop("ceph-gateway", None):
            self.cluster.gateways.discard(self.name)

    def _gateway_rest(self, ours: Any) -> None:
        self.notes["ceph-gateway-rest"] = ours
        self.cluster.gateways.remove(self.name)

    def _gateway_resting(self) -> Any:
        rests = self.name not in self.cluster.gateways
        return self.notes.get("ceph-gateway-rest", {}) if rests else {}

    def _gateway_wake(self) -> Any:
        if ours := self.notes.get("ceph-gateway-rest", {}):
            assert not self.cluster.lost  # it would not start
            self.cluster.gateways.add(self.name)
        return ours

    def _gateway_roused(self) -> None:
        del self.notes["ceph-gateway-rest"]

    def _visitor_answers(self, at: Any) -> bool:
        return at[0] in self.cluster.gateways

    def _visitor_objects(self, id_: str, keyring: str, ats: Any) -> str:
        assert not self.cluster.lost
        return "" if {one for one, _ in ats} <= self.cluster.gateways else "nobody answers"

    def _visitor_leave(self) -> None:
        pass

    def _undo_note_file(self, note: str, path: str) -> None:
        self.notes.setdefault(note, {path: self.files[path]})

    def _undo_undo(self, note: str) -> None:
        self.files |= self.notes.pop(note, {})

    def _retired_noted(self) -> Any:
        return self.notes.get("ceph-retired", {})

    def _retired_managers(self) -> Any:
        return ["mon1"] if self.name == "mon" else []

    def _retired_unmovable(self, name: str) -> str:
        return ""

    def _retired_poise(self, name: str) -> None:
        self.notes["ceph-retired"] = {"monitor": name, "managers": [name]}

    def _retired_retire(self) -> None:
        self.cluster.managers.pop("mon1", None)

    def _retired_is_so(self) -> bool:
        return "ceph-retired" in self.notes

    # OSDs, and a system that is made anew

    @property
    def _ids(self) -> list[int]:
        return [id_ for id_, (host, _) in self.cluster.osds.items() if host == self.name]

    def _osds_here(self) -> Any:
        return [
            {"id": one, "fsid": f"fsid{one}", "kind": "raw", "place": f"/dev/sd{one}"}
            for one in self._ids
        ]

    def _osds_beside(self) -> Any:
        return []

    def _osds_stop(self, osds: list[Any], _: float) -> None:
        self.cluster.down |= {one["id"] for one in osds}
        self.cluster.most_down = max(self.cluster.most_down, len(self.cluster.down))

    def _osds_lacks(self) -> str:
        return "" if "ceph-osd" in self.packages else "there is no ceph-osd: install ceph-osd"

    def _osds_adopt(self, osds: list[Any], text: str) -> None:
        assert conf.names(text, "new")
        self.adopted = True

    def _osds_adopted(self, osds: list[Any]) -> bool:
        return self.adopted

    def _osds_start(self, osds: list[Any], _: float) -> Any:
        assert self.adopted or not self.seen
        for one in osds:
            self.cluster.osds[one["id"]] = (self.name, NEW if self.release == NEW[0] else OLD)
        self.cluster.down -= {one["id"] for one in osds}
        return []

    def _kept_system(self) -> Any:
        token = self.notes.get("reinstall", {"token": ""})["token"]
        return {"boot": f"boot {self.seen}", "token": token}

    def _kept_mark(self, token: str) -> None:
        self.notes["reinstall"] = {"token": token}

    def _kept_gather(self, *given: Any) -> Any:
        rows = [{"path": one.paths[0]} for one in KEPT if one.must and not one.servers]
        return {"system": self._kept_system(), "rows": rows}

    def _kept_missing(self, paths: list[str]) -> Any:
        return [one for one in paths if "nova" in one]

    def _kept_manifest(self, _: str) -> Any:
        return {"units": {}, "rows": []}

    def _kept_changed(self, *_: Any) -> Any:
        return []

    def _kept_wrong_in(self, _: str) -> Any:
        return []

    def _kept_disks(self, _: str) -> Any:
        return []

    def _kept_own_disk(self, place: str) -> Any:
        return self.mounts.get(place, {"why": "it is in no fstab"})

    def _kept_put_back(self, folder: str, spared: list[str]) -> None:
        self.own = True
        self.files[conf.PATH] = conf.with_address(CONF, "new")

    def _hardware_identity(self) -> Any:
        return [f"product_uuid {self.name}"]

    def _machine_installed(self) -> Any:
        return {"packages": sorted(self.packages)}

    def _guests_running(self) -> Any:
        return {}

    def _away_sent(self) -> Any:
        return {}


def cinder(*addresses: str) -> str:
    """What cinder stores of a volume whose monitors are at *addresses*."""
    return json.dumps({"driver_volume_type": "rbd", **_reached(addresses), "secret": "s"})


def nova(*addresses: str) -> str:
    """What nova stores of it."""
    data = {"name": "volumes/1", **_reached(addresses)}
    return json.dumps({"driver_volume_type": "rbd", "data": data, "serial": "1"})


def _reached(addresses: tuple[str, ...]) -> dict[str, Any]:
    return {"hosts": [*addresses], "ports": ["6789" for _ in addresses]}


class Attachments:
    """Rows of the target's databases, by table and id; `meanwhile` comes before each is written."""

    NOVA, CINDER = "`nova_cell1`.`block_device_mapping`", "`cinder`.`volume_attachment`"

    def __init__(self) -> None:
        self.rows: dict[str, dict[Any, dict[str, Any]]] = {self.NOVA: {}, self.CINDER: {}}
        self.meanwhile: Callable[[Any], object] = lambda _: None
        self.asked: set[str] = set()  # hosts

    def add(self, table: str, id_: Any, text: str, deleted: int = 0) -> None:
        self.rows[table][id_] = {"text": text, "deleted": deleted}

    def texts(self, table: str) -> dict[Any, str]:
        return {id_: row["text"] for id_, row in self.rows[table].items()}

    def serve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From here on they are what every database is asked for."""
        named = [
            ServiceDatabase("nova", "nova_api", "nova_api", "nova", ""),
            ServiceDatabase("nova", "nova", "nova_cell1", "nova", "", cell="cell1"),
            ServiceDatabase("cinder", "cinder", "cinder", "cinder", ""),
        ]
        monkeypatch.setattr(copied_urls, "seen", lambda _: named)
        monkeypatch.setattr(connection, "session", self._session)
        monkeypatch.setattr(connection, "rows", self._answer)

    @contextmanager
    def _session(self, host: Machine) -> Iterator[None]:
        self.asked.add(host.name)
        yield

    def _answer(self, _: Any, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        found = re.match(r"(SELECT|UPDATE).*?(`\w+`\.`\w+`)", statement)
        assert found
        rows = self.rows[found[2]]
        if found[1] == "SELECT":
            like, after, most = values
            ids = [one for one in sorted(rows) if after == "" or one > after]
            return [
                (one, f"volume-{one}", rows[one]["text"])
                for one in ids
                if like.strip("%") in rows[one]["text"] and not rows[one]["deleted"]
            ][:most]
        wanted, id_, old = values
        self.meanwhile(id_)
        if (row := rows.get(id_)) and row["text"] == old and not row["deleted"]:
            row["text"] = wanted
        return []


class World:
    """The cloud of `ceph_hosts` over such a cluster, and the command that makes its hosts anew."""

    def __init__(self, home: Path, *, joined: bool = True, **ceph: Any) -> None:
        systems = home / "systems"
        systems.mkdir()
        command = home / "anew"
        command.write_text(COMMAND.replace("{folder}", str(home)))
        command.chmod(0o755)
        found, named = context(home, **ceph)
        self.cluster = Cluster(joined=joined)
        self.attachments = Attachments()
        self.hosts = {name: Machine(name, self.cluster, systems) for name in named}
        for name, host in self.hosts.items():
            if name in ("mon", "osd1", "osd2", "old"):
                host.files[conf.PATH] = conf.with_address(CONF, "new") if joined else CONF
        if joined:
            self.hosts["new"].files[conf.PATH] = conf.for_monitor(CONF, "new", "new")
            self.hosts["new"].notes["ceph-manager"] = {"modules": [], "pool": False}
        settle = found.settings.settle.model_copy(
            update={"reinstall": Reinstall(command=(str(command),))}
        )
        self.home = home
        self.context: Context = replace(
            found,
            settings=found.settings.model_copy(update={"settle": settle}),
            source=self._side(found.source),
            target=self._side(found.target),
            storage=tuple(self.hosts[one.name] for one in found.storage),
        )

    def _side(self, side: Any) -> Any:
        return replace(
            side,
            controllers=tuple(self.hosts[one.name] for one in side.controllers),
            computes=tuple(self.hosts[one.name] for one in side.computes),
        )

    def session(self) -> Session:
        """Another command at work, with the journal of those before it."""
        fresh = replace(self.context, extras={})
        return Session(fresh, compose(fresh), Journal(self.home / "journal", "settle"))

    def list(self) -> Any:
        """What the operator's command was given last."""
        return json.loads((self.home / "list.json").read_text())
