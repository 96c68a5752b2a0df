"""A small cloud of network agents for tests: neutron, and hosts with what agents make on them.

An agent that runs does at once what neutron tells it. `events` is what happened, in order; at the
one that `dies_at` names by its number, the program is killed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from migrate.cloud import Cloud, Context
from migrate.cloud.api import Api
from migrate.cloud.settings import parse
from migrate.computes.network import facts, reading
from migrate.services import RECIPES
from tests.unit import fakes

OLD, NEW, NEW2 = "old", "new", "new2"
L3, DHCP = facts.L3, facts.DHCP
URL = "http://cloud:9696"


class Killed(BaseException):
    """The program died here."""


class Machine(fakes.FakeHost):
    """A host by what agents have on it: name spaces with their devices, units, our notes."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name)
        self.world = world
        self.spaces: dict[str, dict[str, list[str]]] = {}
        self.active: set[str] = set()
        self.enabled: set[str] = set()
        self.masked: set[str] = set()
        self.notes: dict[str, dict[str, list[str]]] = {}
        self.frozen: set[str] = set()
        self.resumes: list[str] = []  # what it would let go on, and start
        self.retired: dict[str, set[str]] | None = None
        self.switch: list[str] | None = None
        self.bridges = ["br-phy"]
        self.files: dict[str, str] = {}

    @property
    def state(self) -> Any:
        """All of it, to be compared."""
        return json.loads(
            json.dumps([self.__dict__[name] for name in self.COMPARED], default=sorted)
        )

    COMPARED = (
        "spaces",
        "active",
        "frozen",
        "resumes",
        "enabled",
        "masked",
        "notes",
        "retired",
        "switch",
        "bridges",
    )

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        self.world.happens(f"{self.name}: {' '.join(argv[:2])}")
        if argv[:2] == ("systemctl", "enable"):
            self.enabled |= set(argv[3:])
        if argv[:2] == ("systemctl", "disable"):
            self.enabled -= {one.removesuffix(".service") for one in argv[3:]}
        return ""

    def python(
        self, source: str, payload: Any = None, timeout: float = 60, interpreter: Any = ()
    ) -> Any:
        function = source.splitlines()[0].lstrip("# ")
        act: Callable[..., Any] = getattr(self, function.replace(".", "_"))
        if not function.endswith(QUESTIONS):
            self.world.happens(f"{self.name}: {function}")
        with self.world.lock:
            return json.loads(json.dumps(act(*payload["arguments"]), default=sorted))

    def handed_over_note(self, what: str, ids: list[str]) -> None:
        for one in ids:
            devices = list(self.spaces.get(f"qrouter-{one}", {})) if what == "routers" else []
            self.notes.setdefault(what, {}).setdefault(one, devices)

    def handed_over_noted(self) -> Any:
        return self.notes

    def handed_over_forget(self, what: str) -> None:
        self.notes.pop(what, None)

    def namespaces_spaces(self) -> list[str]:
        return sorted(self.spaces)

    def namespaces_addresses(self, space: str) -> list[str]:
        return sorted(a for listed in self.spaces.get(space, {}).values() for a in listed)

    def namespaces_processes(self, space: str) -> list[str]:
        return ["dnsmasq"] if space in self.spaces else []

    def namespaces_watch(self, space: str, wanted: list[str], seconds: float) -> Any:
        self.world.build_router(self, space.removeprefix("qrouter-"))
        missing = sorted(set(wanted) - set(self.namespaces_addresses(space)))
        return {"first": None if missing else 1.0, "whole": 1.5, "missing": missing}

    def namespaces_clear(self, space: str, known: list[str]) -> float:
        self.spaces.pop(space, None)
        return 0.25

    def namespaces_left(self) -> list[str]:
        return [f"name space {one}" for one in self.spaces]

    def systemd_active(self, names: list[str]) -> list[str]:
        return sorted(set(names) & self.active)

    def agent_units_serving(self, names: list[str]) -> bool:
        return set(names) <= self.active & self.enabled

    def agent_units_stop(self, names: list[str], grace: float) -> None:
        self.active -= set(names)
        self.frozen -= set(names)

    def agent_units_arm(self, seconds: float, stopped: str, still: str) -> None:
        self.resumes = [still, stopped]

    def agent_units_disarm(self) -> None:
        self.resumes = []

    def when_the_timer_acts(self) -> None:
        if self.resumes:
            self.frozen.discard(self.resumes[0])
            self.systemd_start(self.resumes[1:], 0)
        self.resumes = []

    def agent_units_freeze(self, name: str) -> None:
        self.frozen.add(name)

    def agent_units_thaw(self, name: str) -> bool:
        still = name in self.frozen
        self.frozen.discard(name)
        return still

    def agent_units_retire(self, names: list[str], grace: float) -> None:
        self.resumes = []
        self.retired = self.retired or {"active": set(self.active), "enabled": set(self.enabled)}
        self.active, self.enabled, self.masked = set(), set(), set(names)
        self.frozen = set()

    def agent_units_resting(self) -> list[str]:
        active = (self.retired or {"active": set()})["active"]
        return [f"{one}.service" for one in sorted(active)]

    def agent_units_retired(self, names: list[str]) -> bool:
        return set(names) <= self.masked and not self.active

    def agent_units_restore(self, seconds: float) -> list[str]:
        if self.retired:
            self.masked, self.enabled = set(), set(self.retired["enabled"])
            self.systemd_start(sorted(self.retired["active"]), seconds)
        return []

    def agent_units_forget(self) -> None:
        self.retired = None

    def systemd_start(self, names: list[str], seconds: float) -> list[str]:
        if wrong := set(names) & self.masked:
            return [f"{one} is inactive" for one in sorted(wrong)]
        self.active |= set(names)
        self.world.sync(self)
        return []

    def systemd_show(self, names: list[str]) -> dict[str, Any]:
        return {f"{name}.service": {} for name in names}

    def switch_note(self) -> None:
        self.switch = self.switch or list(self.bridges)

    def switch_noted(self) -> bool:
        return self.switch is not None

    def switch_bridges(self) -> list[str]:
        return self.bridges

    def switch_restore(self) -> None:
        self.switch = None

    def addresses_own(self) -> list[str]:
        return [f"10.0.0.{len(self.name)}"]

    def files_read(self, patterns: list[str], exact: bool) -> dict[str, str]:
        return {path: text for path, text in self.files.items() if path in patterns}


QUESTIONS = (  # they change nothing
    *("noted", "spaces", "addresses", "processes", "left", "active", "serving", "retired"),
    *("watch", "show", "bridges", "own", "read", "resting"),
)


class Answer:
    def __init__(self, status: int, document: Any) -> None:
        self.status_code, self.text = status, json.dumps(document)

    def json(self) -> Any:
        return json.loads(self.text)


class World:
    """Neutron, with two networks and *routers* on the old host, and the hosts."""

    def __init__(self, routers: int = 2) -> None:
        self.lock = threading.RLock()
        self.events: list[str] = []
        self.dies_at: int | None = None
        self.schedules: list[tuple[str, str]] = []  # what neutron gives to whom when it is free
        self.beats = 0
        self.hosts = {name: Machine(name, self) for name in (OLD, NEW, NEW2)}
        self.agents: dict[str, tuple[str, str]] = {}
        self.held: dict[str, set[str]] = {}
        self.networks = {"n1": True, "n2": False, "bare": False}  # whether it has DHCP
        self.routers: dict[str, dict[str, Any]] = {
            f"r{number}": {"name": f"router {number}"} for number in range(routers)
        }
        self.ports = [
            {
                **{"id": "p1", "network_id": "n1", "device_owner": "network:dhcp"},
                **{"status": "ACTIVE", "binding:host_id": OLD},
                "fixed_ips": [{"ip_address": "10.7.0.2"}],
            }
        ]
        old = self.hosts[OLD]
        old.active = set(facts.KNOWN)
        old.enabled = set(facts.KNOWN)
        self.register(old)
        self.held[f"{OLD} {DHCP}"] |= self.networks.keys()
        self.held[f"{OLD} {L3}"] |= self.routers.keys()
        self.sync(old)
        self.dark: list[str] = []

    def happens(self, what: str) -> None:
        with self.lock:
            if self.dies_at == len(self.events):
                raise Killed(what)
            self.events.append(what)
            self.dark += [one for one in self.routers if not self.forwards(one)]

    def forwards(self, router: str) -> bool:
        """Whether a host has all of *router*'s addresses, and its switch lets them through."""
        wanted, space = set(self.addresses(router)), f"qrouter-{router}"
        owners = [
            a.split()[0] for a, kept in self.held.items() if a.endswith(L3) and router in kept
        ]
        return any(
            wanted <= set(host.namespaces_addresses(space))
            and (host.name in owners or not owners or facts.SWITCH in host.frozen)
            for host in self.hosts.values()
        )

    def addresses(self, router: str) -> list[str]:
        return [f"10.9.{router[1:]}.1", f"192.0.2.{router[1:]}"]

    def register(self, host: Machine) -> None:
        for binary in host.active:
            self.agents.setdefault(f"{host.name} {binary}", (host.name, binary))
            self.held.setdefault(f"{host.name} {binary}", set())

    def sync(self, host: Machine) -> None:
        """What its agents do when they start."""
        self.register(host)
        if L3 in host.active:
            mine = {f"qrouter-{one}" for one in self.held[f"{host.name} {L3}"]}
            for space in [one for one in host.spaces if one.startswith("qrouter-")]:
                if space not in mine:
                    del host.spaces[space]
            for one in self.held[f"{host.name} {L3}"]:
                self.build(host, "l3-routers", one)
        if DHCP in host.active:
            for one in self.held[f"{host.name} {DHCP}"]:
                self.build(host, "dhcp-networks", one)

    def build_router(self, host: Machine, one: str) -> None:
        """What the L3 agent of *host* does a while after it was given a router."""
        if L3 in host.active and one in self.held[f"{host.name} {L3}"]:
            self.build(host, "l3-routers", one)

    def go_on(self) -> None:
        """What all L3 agents do when some time has passed."""
        for name, binary in self.agents.values():
            for one in self.routers if binary == L3 else ():
                self.build_router(self.hosts[name], one)

    def build(self, host: Machine, held: str, one: str) -> None:
        if held == "l3-routers":
            inner, outer = self.addresses(one)
            host.spaces[f"qrouter-{one}"] = {f"qr-{one}": [inner], f"qg-{one}": [outer]}
        elif self.networks.get(one):
            host.spaces[f"qdhcp-{one}"] = {}
            self.ports[0] |= {"status": "ACTIVE", "binding:host_id": host.name}

    def request(self, url: str, method: str, **more: Any) -> Answer:
        path = urlsplit(url).path.removeprefix("/v2.0")
        parts = path.strip("/").split("/")
        with self.lock:
            if method == "GET":
                return self.told(parts, more.get("params") or {})
            body = more.get("json") or {}
            what = next(iter(body.values())) if body else parts[-1]
            self.happens(f"{method} {what} {parts[1]}")
            if len(parts) == 2:
                self.agents.pop(parts[1])
                self.held.pop(parts[1])
                return Answer(204, "")
            return self.changed(method, parts[1], parts[2], what)

    def told(self, parts: list[str], query: dict[str, str]) -> Answer:
        found: dict[str, Any] | None = None
        match parts:
            case ["agents"]:
                self.go_on()
                found = {"agents": [self.agent(one) for one in self.agents]}
            case ["agents", agent, held]:
                found = {held.partition("-")[2]: [{"id": one} for one in self.held[agent]]}
            case [_, one, ("dhcp-agents" | "l3-agents") as kind]:
                binary = DHCP if kind == "dhcp-agents" else L3
                agents = [a for a, (_, b) in self.agents.items() if b == binary]
                found = {"agents": [{"id": a} for a in agents if one in self.held[a]]}
            case ["routers"]:
                plain = {"ha": False, "distributed": False}
                rows = [{"id": one, **plain, **row} for one, row in self.routers.items()]
                found = {"routers": rows}
            case ["networks"]:
                rows = [{"id": one, "admin_state_up": True} for one in self.networks]
                found = {"networks": rows}
            case ["networks", one] if one in self.networks:
                found = {"network": {"admin_state_up": True}}
            case ["routers", one] if one in self.routers:
                found = {"router": {}}
            case ["subnets"] if "enable_dhcp" in query:
                with_dhcp = [one for one, has in self.networks.items() if has]
                found = {"subnets": [{"network_id": one} for one in with_dhcp]}
            case ["subnets"]:
                found = {"subnets": [{"enable_dhcp": self.networks[query["network_id"]]}]}
            case ["ports"]:
                found = {"ports": self.ported(query)}
            case ["floatingips"]:
                found = {"floatingips": []}
        return Answer(404, {}) if found is None else Answer(200, found)

    def ported(self, query: dict[str, str]) -> list[dict[str, Any]]:
        if "device_owner" in query:
            wanted = query.get("network_id", "n1")
            return [one for one in self.ports if one["network_id"] == wanted]
        given = self.addresses(query["device_id"])
        return [{"fixed_ips": [{"ip_address": one} for one in given]}]

    def agent(self, id_: str) -> dict[str, Any]:
        self.beats += 1
        host, binary = self.agents[id_]
        return {
            **{"id": id_, "binary": binary, "host": host, "admin_state_up": True},
            **{"alive": binary in self.hosts[host].active, "heartbeat_timestamp": str(self.beats)},
        }

    def changed(self, method: str, agent: str, held: str, one: str) -> Answer:
        name, binary = self.agents[agent]
        host = self.hosts[name]
        if one not in (self.routers if binary == L3 else self.networks):
            return Answer(404, {})
        if method == "DELETE":
            if one not in self.held[agent]:
                return Answer(409, {})
            self.held[agent].discard(one)
            if binary in host.active:
                host.spaces.pop(f"{'qrouter' if binary == L3 else 'qdhcp'}-{one}", None)
            if one == "n1":
                self.ports[0] |= {"status": "DOWN", "binding:host_id": ""}
            for thing, to in [pair for pair in self.schedules if pair[0] == one]:
                self.schedules.remove((thing, to))
                self.held[to].add(one)
            return Answer(204, "")
        if any(one in kept for kept in self.held.values()):
            return Answer(409, {"said": "there already"})
        self.held[agent].add(one)
        if binary == DHCP and DHCP in host.active:
            self.build(host, held, one)
        return Answer(201, {})

    @property
    def state(self) -> Any:
        """What stands, to be compared: who carries what, and every host."""
        held = {agent: sorted(kept) for agent, kept in self.held.items() if kept}
        return held, {name: host.state for name, host in self.hosts.items()}


class Connection:
    """As much of openstacksdk's as `Api` asks; *world*, whatever it is, answers requests."""

    urls: ClassVar[Mapping[str, str]] = {"network": URL}
    project_id = "ours"

    def __init__(self, world: Any) -> None:
        self.session = self.auth = self.service_catalog = self.config = self
        for method in ("get", "post", "put", "delete"):
            setattr(self, method, partial(world.request, method=method.upper()))

    def get_access(self, _: Any) -> Connection:
        return self

    def get_urls(self, *, service_type: str, **_: Any) -> list[str]:
        return [self.urls[service_type]] if service_type in self.urls else []

    def get_region_name(self) -> str:
        return "R"

    def get_interface(self, _: str) -> str:
        return "public"


def context(world: World, home: Path) -> Context:
    """Both clouds, with *world*'s hosts and its neutron."""
    settings = parse(fakes.STACK, "test", home)
    ips, hosts = settings.source.virtual_ips, world.hosts
    source = Cloud("source", "2025.1", (hosts[OLD],), (), ips)
    target = Cloud("target", "2026.1", (hosts[NEW], hosts[NEW2]), (), ips)
    found = Context("test", settings, source, target, home, RECIPES)
    found.extras[reading.API] = Api(Connection(world))
    return found
