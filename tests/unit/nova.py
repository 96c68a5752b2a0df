"""A small nova for tests: servers that move when they are asked to, or do what a test says of them.

What it was asked goes on a little with each look at the server. `events` is what the program has
asked for, in order; at the one that `dies_at` names by its number, the program is killed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from migrate.cloud import Context
from migrate.cloud.settings import Settle
from tests.unit import fakes, network
from tests.unit.network import Answer, Killed

URL = "http://cloud:8774/v2.1"
NEUTRON = "http://cloud:9696"
HOST = "OS-EXT-SRV-ATTR:host"
LATER = "2026-11-28T09:00:07.500000"
LOOKS = 2  # at a server, until what it is in the middle of has ended


class Nova:
    """Hosts c1, c2 and c3; `script` says by a server's name what becomes of its next move:

    moves, error, nowhere, hangs (until it is aborted), stuck (then too), dies (its host does);
    slow, which hangs until it is completed by force; late, which hangs, and which nova tells of a
    while after it was asked for.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.events: list[str] = []
        self.dies_at: int | None = None
        self.services = {
            name: {"status": "enabled", "disabled_reason": None, "state": "up"}
            for name in ("c1", "c2", "c3")
        }
        self.servers: dict[str, dict[str, Any]] = {}
        self.script: dict[str, str] = {}
        self.migrations: list[dict[str, Any]] = []
        self.bindings: dict[str, dict[str, str]] = {}  # of a server's one port: status by host
        self.actions: dict[str, list[str]] = {}  # what went wrong, "" for nothing, by server
        self.ends: dict[str, tuple[int, Callable[[], None]]] = {}
        self.most = 0  # servers on their way at once
        self.looks: list[str] = []  # that were asked for one by one
        self.answers = self.records = True

    def add(self, name: str, host: str = "c1", status: str = "ACTIVE", **metadata: str) -> None:
        self.servers[name] = {
            **{"id": name, "name": f"the {name}", "tenant_id": "p", "status": status},
            **{"OS-EXT-STS:task_state": None, "OS-EXT-STS:power_state": 1},
            **{HOST: host, "image": {"id": "i"}, "tags": []},
            **{"os-extended-volumes:volumes_attached": [], "metadata": metadata},
            "flavor": {
                **{"original_name": "f", "vcpus": 1, "ram": 64, "disk": 1},
                **{"ephemeral": 0, "swap": 0, "extra_specs": {}},
            },
        }

    @property
    def where(self) -> dict[str, str]:
        return {one: row[HOST] for one, row in self.servers.items()}

    @property
    def how(self) -> dict[str, str]:
        return {one: row["status"] for one, row in self.servers.items()}

    def request(self, url: str, method: str, **more: Any) -> Answer:
        path = urlsplit(url).path.removeprefix("/v2.1").strip("/").split("/")
        with self.lock:
            if not self.answers:
                return Answer(503, {})
            if method == "GET":
                return self._told(path, more.get("params") or {})
            body = more.get("json") or {}
            what = next(iter(body), method)
            if self.dies_at is not None and self.dies_at <= len(self.events):
                raise Killed(what)
            self.events.append(f"{what} {path[1]}")
            return self._done(path, what, body.get(what) or {}, body)

    def _told(self, path: list[str], query: dict[str, str]) -> Answer:
        found: dict[str, Any] | None = None
        match path:
            case ["servers", "detail"]:
                rows = [self._look(one) for one in list(self.servers)]
                found = {"servers": [one for one in rows if one[HOST] == query["host"]]}
            case ["servers", one] if one in self.servers:
                self.looks.append(one)
                found = {"server": self._look(one)}
            case ["servers", one, "migrations"]:
                live = [r for r in self._running(one) if r["migration_type"] == "live-migration"]
                found = {"migrations": live}  # as nova has it
                for row in self.migrations:
                    if row["status"] == "accepted":
                        row["status"] = "running"
            case ["servers", one, "os-instance-actions"]:
                count = len(self.actions.get(one, ()))
                rows = [{"request_id": str(n), "start_time": f"{n:03}"} for n in range(count)]
                found = {"instanceActions": rows}
            case ["servers", one, "os-instance-actions", number]:
                told = self.actions[one][int(number)]
                event = {"result": "Error" if told else "Success", "details": told}
                found = {"instanceAction": {"events": [event]}}
            case ["os-migrations"] if self.records:
                found = {"migrations": [row for row in self.migrations if _fits(row, query)]}
            case ["v2.0", "ports"]:
                one = query["device_id"]
                found = {"ports": [{"id": f"{one}-port"}] if one in self.bindings else []}
            case ["v2.0", "ports", port, "bindings"]:
                held = self.bindings[port.removesuffix("-port")].items()
                found = {"bindings": [{"host": host, "status": status} for host, status in held]}
            case ["os-services"]:
                name = query["host"]
                found = {
                    "services": [{"id": name, "host": name, "zone": "z", **self.services[name]}]
                }
        return Answer(404, {}) if found is None else Answer(200, found)

    def _running(self, one: str) -> list[dict[str, Any]]:
        wanted = (one, "running")
        return [row for row in self.migrations if (row["instance_uuid"], row["status"]) == wanted]

    def _look(self, one: str) -> dict[str, Any]:
        if one in self.ends:
            left, end = self.ends.pop(one)
            if left > 0:
                self.ends[one] = (left - 1, end)
            else:
                end()
        return self.servers[one]

    def _done(self, path: list[str], what: str, given: dict[str, Any], body: Any) -> Answer:
        if path[0] == "os-services":
            self.services[path[1]] |= {"disabled_reason": None} | body
            return Answer(200, {})
        server = self.servers.get(path[1])
        if server is None:
            return Answer(404, {})
        if what == "force_complete":
            return Answer(202 if self._press(path[1]) else 400, {})
        if what == "DELETE":
            self._abort(path[1])
            return Answer(202, {})
        if server["OS-EXT-STS:task_state"]:
            return Answer(409, {"said": "in the middle of something"})
        self.actions.setdefault(path[1], []).append("")
        getattr(self, f"_{what.replace('-', '_').lower()}")(server, given)
        self.most = max(self.most, len(self.ends))
        return Answer(202, {})

    def _begin(self, server: dict[str, Any], status: str, end: Callable[[], None]) -> None:
        server |= {"status": status, "OS-EXT-STS:task_state": "at it"}
        self.ends[server["id"]] = (LOOKS, end)

    def _rest(self, server: dict[str, Any], **more: str) -> None:
        host = more.pop("host", server[HOST])
        server |= {"OS-EXT-STS:task_state": None, HOST: host, **more}

    def _row(self, server: dict[str, Any], kind: str, to: str) -> dict[str, Any]:
        row = {
            **{"id": len(self.migrations), "instance_uuid": server["id"], "status": "running"},
            **{"source_compute": server[HOST], "dest_compute": to},
            "migration_type": kind,
            **{"created_at": "2026-11-28T09:00:00.000000", "updated_at": LATER},
        }
        self.migrations.append(row)
        return row

    def _place(self, server: dict[str, Any], wanted: str | None) -> str:
        at = server[HOST]
        takes = [
            name
            for name, row in self.services.items()
            if row["status"] == "enabled" and row["state"] == "up" and name != at
        ]
        return next((one for one in takes if wanted in (None, one)), "")

    def _os_migratelive(self, server: dict[str, Any], given: dict[str, Any]) -> None:
        self._move(server, "live-migration", "MIGRATING", given.get("host"), "ACTIVE", "completed")

    def _migrate(self, server: dict[str, Any], given: dict[str, Any]) -> None:
        self._move(server, "migration", "RESIZE", given.get("host"), "VERIFY_RESIZE", "finished")

    def _move(
        self,
        server: dict[str, Any],
        kind: str,
        meanwhile: str,
        wanted: str | None,
        status: str,
        done: str,
    ) -> None:
        was, to = server["status"], self._place(server, wanted)
        becomes = self.script.pop(server["id"], "moves") if to else "nowhere"
        row = self._row(server, kind, to)

        def end() -> None:
            live = becomes == "moves" and kind == "live-migration"
            if live:  # it runs there some time before the host that it left has let go of it
                self.ends[server["id"]] = (LOOKS, partial(row.__setitem__, "status", done))
            else:
                row["status"] = done if becomes == "moves" else "error"
            if becomes == "moves":
                self._rest(server, status=status, host=to)
            elif becomes == "error" and kind == "migration":
                self.actions[server["id"]][-1] = "scp failed"
                self._rest(server, status="ERROR")
            else:
                told = "no valid host" if becomes == "nowhere" else "libvirt said no"
                self.actions[server["id"]][-1] = told
                self._rest(server, status=was)

        self._begin(server, meanwhile, end)
        if becomes in ("hangs", "stuck", "dies", "late", "slow"):
            del self.ends[server["id"]]
            row["presses"] = becomes == "slow"
            row["obeys"] = becomes in ("hangs", "late")
        if becomes == "late":
            row["status"] = "accepted"
        if becomes == "dies":
            self.services[server[HOST]]["state"] = "down"

    def _press(self, one: str) -> bool:
        """Whether its host permits to complete it: `slow` does, and what only prepares does not."""
        rows = [row for row in self._running(one) if row.get("presses")]
        for row in rows:
            row["status"] = "completed"
            self._rest(self.servers[one], status="ACTIVE", host=row["dest_compute"])
        return bool(rows)

    def _abort(self, one: str) -> None:
        (row,) = self._running(one)
        if row.get("obeys"):
            row["status"] = "cancelled"
            self._rest(self.servers[one], status="ACTIVE")

    def _confirmresize(self, server: dict[str, Any], _: Any) -> None:
        row = [r for r in self.migrations if r["instance_uuid"] == server["id"]][-1]
        assert row["status"] == "finished"
        row["status"] = "confirming"

        def end() -> None:
            row["status"] = "confirmed"
            self._rest(server, status="ACTIVE")

        self.ends[server["id"]] = (LOOKS, end)

    def _revertresize(self, server: dict[str, Any], _: Any) -> None:
        (row,) = (r for r in self.migrations if r["instance_uuid"] == server["id"])
        home = row["source_compute"]
        self._begin(
            server, "REVERT_RESIZE", partial(self._rest, server, status="ACTIVE", host=home)
        )

    def _os_stop(self, server: dict[str, Any], _: Any) -> None:
        self._begin(server, "ACTIVE", partial(self._rest, server, status="SHUTOFF"))

    def _os_start(self, server: dict[str, Any], _: Any) -> None:
        self._begin(server, "SHUTOFF", partial(self._rest, server, status="ACTIVE"))


def _fits(row: dict[str, Any], query: dict[str, str]) -> bool:
    wanted = dict(query)
    host = wanted.pop("host", row["source_compute"])
    return host in (row["source_compute"], row["dest_compute"]) and all(
        row[key] == value for key, value in wanted.items()
    )


class Connection(network.Connection):
    urls: ClassVar[Mapping[str, str]] = {"compute": URL, "network": NEUTRON}


def context(folder: Path, **decided: Any) -> Context:
    """Both clouds, with the hosts of `Nova` and what the stack file has *decided* of them."""
    found, _ = fakes.context(folder)
    computes = tuple(fakes.FakeHost(name) for name in ("c1", "c2", "c3"))
    settle = Settle.model_validate(decided)
    return replace(
        found,
        settings=found.settings.model_copy(update={"settle": settle}),
        source=replace(found.source, computes=computes),
    )
