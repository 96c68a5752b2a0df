"""The small cloud of `network.py`, settled: what `migrate finish` asks and changes of it.

It has nova's records, marks, caps, notes and units of ours beside what agents make.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from migrate.cloud import Context, serving, transfer
from migrate.cloud.api import Api
from migrate.computes import versions
from migrate.computes.network import facts, reading
from migrate.computes.reinstalling import keeping
from migrate.database import connection, heads, progress
from migrate.engine import markers
from migrate.finish import address, mark, online, schemas, services, traces
from migrate.onhost import front
from migrate.storage.volumes import policy
from migrate.takeover import isolation
from tests.unit import network, nova
from tests.unit.network import NEW, NEW2, OLD

COMPUTE = "compute"
CONF = "/etc/nova/nova.conf"
TABLE = """Running batches of 50 until complete
+-----------+--------------+-----------+
| Migration | Total Needed | Completed |
+-----------+--------------+-----------+
| fill_it   |      {0}       |     {0}     |
| for_ever  |      6       |     0     |
+-----------+--------------+-----------+
"""
VALUES = re.compile(r"x'([0-9a-f]*)'|(\d+\.\d+)")
KEPT = {keeping.ALL, f"{transfer.FOLDER}-{COMPUTE}"}
FENCE = ["fence.json", "marker.json", "network-agents.json"]
QUESTIONS = (  # of these programs, which change nothing
    *("look", "token", "named", "unfenced", "present", "fenced", "addresses", "holds", "state"),
    "place",
    *(
        "start.missing",
        "left",
        "load",
        "every",
        "exchange.running",
        "down",
        "facts",
        "shares",
        "ceph",
        "existing",
    ),
)


class Machine(network.Machine):
    """A host with what we left on it."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self.paths: set[str] = {transfer.FOLDER}
        self.ours: list[str] = []  # files of our folder
        self.marks = "[]"
        self.stages: dict[str, float] = {}
        self.unfenced: list[str] = []
        self.started: dict[str, float] = {}
        self.clock = 0.0  # by how much it goes before ours
        self.timer = ""
        self.kept: dict[str, Any] = {}  # how far hosts are that are made anew
        self.own: list[str] = []
        self.shares: list[list[str]] = []
        self.ceph: list[str] = []
        self.programs: dict[str, Any] = {}
        self.down: list[str] = []
        self.rows = 2  # left to be migrated online

    @property
    def now(self) -> float:
        return time.time() + self.clock

    def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        return True

    def exists(self, path: str) -> bool:
        return path in self.paths

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        if argv[0] == "mariadb":
            return self.sql(stdin)
        if argv[0] == "stat":
            return "640 root:nova"
        if argv[:2] == ("systemctl", "restart"):
            self.world.happens(f"{self.name}: restart")
            self.started |= dict.fromkeys(argv[2:], self.now + 10)
            return ""
        if argv[0] == "rm":
            self.world.happens(f"{self.name}: rm")
            self.paths -= set(argv[3:])
        return ""

    def sql(self, statement: str) -> str:
        if "REPLACE INTO" in statement:
            self.world.happens(f"{self.name}: mark")
            found = [bytes.fromhex(a).decode() or b for a, b in VALUES.findall(statement)]
            self.stages[found[0]] = float(found[-1])
        if "SHOW TABLES" in statement:
            return "stage" if self.stages else ""
        if "SELECT stage," in statement:
            return "".join(f"{one}\ttest\tid\ttoken\t{at}\n" for one, at in self.stages.items())
        return ""

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        if args[:1] == (markers.PATH,):
            return self.marks
        if "ActiveEnterTimestamp" in script:
            started = [str(int(self.started.get(one, 100))) for one in args]
            return "\n".join([str(self.now), *started])
        if script == mark.CLOCK:
            return str(self.now)
        if "stat -c %Y" in script:
            return "\n".join("100" for _ in args)
        if script == isolation.DROP or isolation.FILTER_UNIT in args:
            self.world.happens(f"{self.name}: let go")
            self.paths -= {*args, *(f"/etc/systemd/system/{one}" for one in args)}
        return ""

    def write(self, path: str, content: str, *, mode: int = 0, owner: str = "") -> None:
        self.world.happens(f"{self.name}: write {path}")
        self.files[path] = content

    def python(
        self, source: str, payload: Any = None, timeout: float = 60, interpreter: Any = ()
    ) -> Any:
        function = source.splitlines()[0].lstrip("# ")
        if function.startswith("away."):
            self._note(function)
            return self._away(function, payload)
        if function == "marks.keep":
            self.world.happens(f"{self.name}: write {markers.PATH}")
            (kept,) = payload["arguments"]
            self.marks = json.dumps(kept)
            return None
        if function.endswith(QUESTIONS):
            return getattr(self, function.replace(".", "_"))(*payload["arguments"])
        return super().python(source, payload, timeout, interpreter)

    def fencing_token(self) -> str:
        return "token"

    def fencing_machine(self) -> str:
        return "id"

    def fence_unfenced(self, _: Any) -> list[str]:
        return self.unfenced

    def mariadb_present(self) -> bool:
        return True

    def mariadb_unfenced(self) -> list[str]:
        return []

    def virtual_ip_fenced(self) -> bool:
        return True

    def virtual_ip_addresses(self, wanted: list[str]) -> Any:
        return [{"address": one} for one in wanted]

    def virtual_ip_holds(self, _: Any) -> bool:
        return False

    def files_in_place(self, _: Any) -> bool:
        return True

    def systemd_state(self, names: list[str]) -> Any:
        return {"units": {one: {"ActiveState": "active"} for one in names}, "alive": names}

    def start_missing(self, *_: Any) -> Any:
        return []

    def reopen_timer_state(self) -> Any:
        return {"state": self.timer or "absent"}

    def reopen_timer_remove(self) -> None:
        self.timer = ""

    def front_leave(self) -> None:
        self.paths -= {front.FOLDER}

    def record_load(self, name: str) -> Any:
        return {"at": 1.0} if f"/var/lib/migrate/{name}.json" in self.paths else None

    def record_forget(self, name: str) -> None:
        self.world.happens(f"{self.name}: forget {name}")
        self.paths -= {f"/var/lib/migrate/{name}.json"}

    def addresses_facts(self) -> Any:
        return {"name": self.name, "aliases": [], "addresses": self.own}

    def files_existing(self, asked: list[str]) -> list[str]:
        return [one for one in asked if one in self.paths]

    def reach_shares(self) -> Any:
        self._note("reach.shares")
        return self.shares

    def kept_daemons_of_ceph(self) -> Any:
        return self.ceph

    def record_every(self, prefix: str) -> Any:
        self._note("record.every")
        return {name: one for name, one in self.kept.items() if name.startswith(prefix)}

    def exchange_running(self, names: list[str]) -> Any:
        return {name: one for name, one in self.programs.items() if name in names}

    def exchange_down(self, _: list[str]) -> list[str]:
        return self.down

    def record_tidy(self) -> None:
        pass

    def notes_left(self, kept: list[str]) -> list[str]:
        return [one for one in self.ours if one not in kept]

    def notes_remove(self, kept: list[str]) -> None:
        self.ours = [one for one in self.ours if one in kept]

    def undo_undo(self, _: str) -> bool:
        return True

    transfer_dismiss = undo_undo

    def tools_run(self, user: str, path: str, argv: list[str], environment: Any) -> Any:
        if argv[1:3] == ["service", "remove"]:
            there = cast("World", self.world).volumes.pop((argv[3], argv[4]), None)
            return {"status": 0 if there else 2, "output": "" if there else "Host not found."}
        done, self.rows = self.rows, 0
        return {"status": 0, "output": TABLE.format(done)}


class World(network.World):
    """Agents came over and the target is accepted. `records` are nova's, by id."""

    def __init__(self) -> None:
        super().__init__()
        self.progress = True
        self.silent: list[str] = []
        self.records: dict[str, tuple[str, str, int]] = {
            "1": (OLD, "nova-scheduler", 68),
            "2": (OLD, "nova-conductor", 68),
            "3": (OLD, "nova-osapi_compute", 68),
            "4": (f"{OLD}.example", "nova-metadata", 68),
            "5": (COMPUTE, "nova-compute", 72),
            "6": (NEW, "nova-conductor", 72),
            "7": (OLD, "nova-strange", 72),
        }
        self.up = {"5", "6"}
        self.volumes = {  # cinder's records
            ("cinder-scheduler", OLD): "down",
            ("cinder-scheduler", NEW): "up",
            ("cinder-volume", f"{OLD}@nfs"): "up",
            ("cinder-backup", OLD): "down",
        }
        self.more: dict[str, dict[str, str]] = {}  # of a record, what is beside the usual

    def settled(self, home: Path) -> Context:
        """Both clouds after the agents came over, with all that is left on their hosts."""
        for name in (OLD, NEW, NEW2):
            self.hosts[name].__class__ = Machine
            before = dict(self.hosts[name].__dict__)
            Machine.__init__(self.hosts[name], name, self)  # type: ignore[arg-type]
            self.hosts[name].__dict__.update(before)
        compute = Machine(COMPUTE, self)
        compute.ours = ["settle-units.json", "settle-environment.json"]
        cloud = network.context(self, home)
        cloud = replace(
            cloud,
            source=replace(cloud.source, computes=(compute,)),
            target=replace(cloud.target, computes=(compute,)),
        )
        cloud.extras[reading.API] = Api(Connection(self))
        self.move_agents()
        self.leave_traces()
        return cloud

    def at(self, name: str) -> Machine:
        return cast("Machine", self.hosts[name])

    def move_agents(self) -> None:
        """As `settle --agents` leaves them."""
        old = self.hosts[OLD]
        for name in (NEW, NEW2):
            self.hosts[name].active = set(facts.KNOWN)
            self.register(self.hosts[name])
        for cargo in facts.CARGO:
            self.held[f"{NEW} {cargo.agent}"] |= self.held[f"{OLD} {cargo.agent}"]
            self.held[f"{OLD} {cargo.agent}"] = set()
        old.active, old.masked, old.spaces = set(), set(facts.KNOWN), {}

    def leave_traces(self) -> None:
        old, new, new2 = map(self.at, (OLD, NEW, NEW2))
        for host in (new, new2):
            host.paths |= {*address.PLACES, f"/var/lib/migrate/{policy.ACCEPTED}.json"}
            host.ours = [f"{policy.ACCEPTED}.json", "kernel.json", "keepalived.conf"]
            host.files[CONF] = "[upgrade_levels]\ncompute = epoxy\n"
        new.paths |= KEPT  # of a host that was reinstalled
        new2.paths |= KEPT
        old.paths |= {*traces.KEPT, front.FOLDER}
        old.ours, old.timer = list(FENCE), "disarmed"
        new.stages = {markers.LIVE: 1.0}

    def request(self, url: str, method: str, **more: Any) -> network.Answer:
        if ":8776" in url:
            rows = [
                {"binary": binary, "host": host, "state": state}
                for (binary, host), state in self.volumes.items()
            ]
            return network.Answer(200, {"services": rows})
        if ":8774" not in url:
            return super().request(url, method, **more)
        if method == "GET":
            rows = [
                {"id": one, "host": host, "status": "enabled", **self.more.get(one, {})}
                | {"state": "up" if one in self.up else "down"}
                for one, (host, binary, _) in self.records.items()
                if binary == more["params"].get("binary", binary)
            ]
            return network.Answer(200, {"services": rows})
        id_ = url.rpartition("/")[2]
        self.happens(f"{method} {self.records[id_][1]} {self.records[id_][0]}")
        del self.records[id_]
        return network.Answer(204, "")


class Connection(network.Connection):
    urls: ClassVar[Mapping[str, str]] = {
        **{"network": network.URL, "compute": nova.URL},
        "block-storage": "http://cloud:8776/v3",
    }


def without_servers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a database, or a cloud that is logged in to, can tell: here *world* does."""

    def each_cell(_: Context, statement: str) -> dict[str, list[tuple[Any, ...]]]:
        with_id = "uuid" in statement
        rows = world.records.items()
        return {
            "nova": [
                (host, what, id_, n) if with_id else (host, what, n)
                for id_, (host, what, n) in rows
            ]
        }

    @contextmanager
    def session(_: Any) -> Iterator[None]:
        yield None

    for module in (versions, services):
        monkeypatch.setattr(module, "each_cell", each_cell)
    monkeypatch.setattr(connection, "session", session)
    monkeypatch.setattr(connection, "rows", lambda *_: [])
    monkeypatch.setattr(progress, "there", lambda _: world.progress)
    monkeypatch.setattr(progress, "clear", lambda _: setattr(world, "progress", False))
    monkeypatch.setattr(heads, "behind", lambda *_: [])
    for module in (online, schemas):
        monkeypatch.setattr(module, "service_databases", lambda *_: [])
    monkeypatch.setattr(serving, "unanswered", lambda _: world.silent)
