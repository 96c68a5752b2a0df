"""A host that only carries network agents comes over in place and goes back, killed anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from migrate.checks import network_hosts, reach, release, units
from migrate.cli import settling
from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.cloud import Context, installation, login, transfer
from migrate.cloud.settings import Settings, parse
from migrate.computes.installers import in_place, standing
from migrate.computes.network import carried, facts, reading, refusals
from migrate.engine import markers
from migrate.engine.finding import Severity
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase
from migrate.errors import PassedOverError, PreconditionError, SettingsError, StepError
from migrate.finish import refusals as before_finish
from migrate.phases import left_behind, renew_network, rollback, settle, ways_back
from migrate.phases.plan import compose, settled_network
from migrate.phases.session import Session
from tests.checked import check_of
from tests.unit import fakes, network
from tests.unit.network import DHCP, L3, NEW, OLD, Killed, World

NET = "net1"
VENV = "/opt/openstack/2026.1"
LOCK = "1a2b"
STEPS = ["environment", "note", "renew", "proof"]
EVENTS = 9  # of a whole run, at each of which one dies
INI = {  # which file of options each agent reads beside neutron.conf
    facts.SWITCH: "plugins/ml2/openvswitch_agent.ini",
    DHCP: "dhcp_agent.ini",
    L3: "l3_agent.ini",
    facts.METADATA: "metadata_agent.ini",
}


class Machine(network.Machine):
    """The same with the programs that its agents run as; `wrong` is what an exchange breaks."""

    ASKED: ClassVar = (  # they change nothing
        *("running", "down", "resting", "overriding", "standing", "load", "stamp", "size"),
        *("system", "unfit", "ports", "tls", "existing", "left", "packets", "shares", "resolved"),
        *("facts", "configured.read", "every", "show", "versions"),
    )
    STATE: ClassVar = (*network.Machine.COMPARED, "programs", "written", "records", "brought")

    def __init__(self, name: str, world: Cloud) -> None:
        super().__init__(name, world)
        self.programs: dict[str, str] = {}
        self.starts: dict[str, int] = {}
        self.written: dict[str, list[Any]] = {}
        self.records: dict[str, Any] = {}
        self.brought = name in (NEW, network.NEW2)
        self.answers: dict[str, Any] = {}
        self.texts: dict[str, str] = {}  # its own files
        self.also: dict[str, Any] = {}  # units that run there beside agents

    def python(self, source: str, payload: Any = None, *args: Any, **more: Any) -> Any:
        function = source.splitlines()[0].lstrip("# ")
        if self.dead:
            self._note(function)
        if function in self.answers:
            return self.answers[function]
        if function.endswith(self.ASKED):
            given = payload["arguments"]
            return getattr(self, function.replace(".", "_"))(*given)
        return super().python(source, payload, *args, **more)

    @property
    def state(self) -> Any:
        return json.loads(json.dumps([self.__dict__[one] for one in self.STATE], default=sorted))

    def begin(self, name: str, program: str) -> None:
        """Systemd starts it, and it tells neutron so."""
        self.world.happens(f"{self.name}: {name} starts")
        self.programs[name] = program
        self.starts[name] = self.starts.get(name, 0) + 1
        self.active.add(name)
        self.world.sync(self)

    def exchange_running(self, names: list[str]) -> Any:
        found = {
            one: {
                "program": self.programs[one],
                "user": "neutron",
                "arguments": [
                    f"--config-file=/etc/neutron/{path}" for path in ("neutron.conf", INI[one])
                ],
            }
            for one in sorted(self.active)
        }
        return {one: told for one, told in {**found, **self.also}.items() if one in names}

    def exchange_down(self, _: list[str]) -> list[str]:
        return []

    exchange_resting = exchange_down

    def exchange_overriding(self, *_: Any) -> dict[str, Any]:
        return {}

    def exchange_forward(self, note: str, rows: list[Any], found: Any, _: float) -> list[str]:
        self.records[note] = {"entries": []}
        self.written = {row[0]: row[1:] for row in rows}
        assert len(self.written) == len(rows), "a file is written twice"
        for name in found:
            self.begin(name, f"{VENV}/bin/{name}")
        return []

    def exchange_back(self, note: str, names: list[str], folder: str, _: float) -> list[str]:
        new = [one for one in names if self.programs.get(one, "").startswith(folder)]
        if not (self.written or new):
            return []
        owed = [one for one in names if one in self.active]
        for name in owed:
            self.begin(name, f"/usr/bin/{name}")
        self.written = {}
        self.records.pop(note, None)
        return []

    def systemd_show(self, names: list[str]) -> Any:
        return {
            f"{one}.service": {"ActiveState": "active", "MainPID": str(self.starts.get(one, 0) + 1)}
            for one in names
            if one in self.active
        }

    def namespaces_standing(self) -> Any:
        runs = {"qdhcp": ["dnsmasq"], "qrouter": ["haproxy"]}
        found = {
            space: {"processes": runs[space.partition("-")[0]], "devices": dict(devices)}
            for space, devices in self.spaces.items()
        }
        return {"spaces": found, "ports": [f"tap{one}" for one in self.spaces]}

    def record_load(self, name: str) -> Any:
        return self.records.get(name)

    def record_every(self, prefix: str) -> Any:
        return {name: one for name, one in self.records.items() if name.startswith(prefix)}

    def record_save(self, name: str, value: Any) -> None:
        self.records[name] = value

    def record_forget(self, name: str) -> None:
        self.records.pop(name, None)

    def notes_left(self, without: list[str]) -> list[str]:
        return [f"{one}.json" for one in sorted(self.records) if f"{one}.json" not in without]

    def environment_size(self, _: str) -> int:
        return 1000

    def environment_system(self) -> str:
        return "Python 3.13"

    def environment_stamp(self, *_: Any) -> str:
        return LOCK if self.brought else ""

    def environment_unfit(self, _: str, __: int, servers: bool) -> list[str]:
        return ["python3 finds no libvirt here"] if servers else []

    def environment_claim(self, _: str, __: int, servers: bool) -> list[str]:
        self.records["settle-environment"] = {}
        return self.environment_unfit(_, __, servers)

    def environment_finish(self, _: str, tried: list[str], servers: bool) -> list[str]:
        assert not servers
        assert tried == list(facts.KNOWN)
        self.brought = True
        return []

    def environment_remove(self) -> None:
        self.brought = False
        self.records.pop("settle-environment", None)

    def configured_read(self, _: list[str]) -> Any:
        return {"texts": self.texts, "given": {}}

    def addresses_facts(self) -> Any:
        return {"name": self.name, "aliases": [], "addresses": []}

    def addresses_resolved(self, names: list[str]) -> Any:
        return {one: [] for one in names}

    def files_existing(self, paths: list[str]) -> list[str]:
        return paths

    def files_read(self, patterns: list[str], exact: bool = False) -> dict[str, str]:
        return {path: text for path, text in self.texts.items() if path in patterns}

    def reach_ports(self, asked: list[Any]) -> list[str]:
        return ["open"] * len(asked)

    def knock_tls(self, asked: list[Any]) -> list[bool]:
        return [False] * len(asked)

    def reach_packets(self, asked: list[Any]) -> list[Any]:
        return [{"whole": 1500, "size": 1500} for _ in asked]

    def reach_shares(self) -> list[Any]:
        return []


class Cloud(World):
    """The small cloud with a network host, which carries all; controllers carry nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.renamed: dict[str, str] = {}
        self.idle: set[str] = set()  # agents that have not looked yet at what they carry
        self.joined: set[str] = set()  # networks that a router serves
        old = self.hosts[OLD]
        held = {one: set(self.held.pop(f"{OLD} {one}")) for one in (DHCP, L3)}
        self.agents, self.held = {}, {}
        self.hosts = {name: Machine(name, self) for name in self.hosts}
        assert old.spaces
        self.net = Machine(NET, self)
        self.hosts[NET] = self.net
        self.net.enabled = set(facts.KNOWN)
        self.net.active = set(facts.KNOWN)
        self.register(self.net)
        for binary, those in held.items():
            self.held[f"{NET} {binary}"] = those
        for name in facts.KNOWN:
            self.begin(name)
        self.events, self.dark = [], []

    def begin(self, name: str) -> None:
        self.net.begin(name, f"/usr/bin/{name}")

    def agent(self, id_: str) -> dict[str, Any]:
        host, binary = self.agents[id_]
        started = self.hosts[host].starts.get(binary, 0)  # type: ignore[attr-defined]
        told = {**super().agent(id_), "started_at": f"start {started}"}
        told["configurations"] = self.counted(id_, binary)
        return {**told, "id": self.renamed.get(id_, id_)}

    def counted(self, id_: str, binary: str) -> dict[str, int]:
        """What an agent tells of itself; what has no DHCP it does not serve."""
        held = self.held.get(id_, set())
        if binary == DHCP:
            return {
                "networks": 0
                if binary in self.idle
                else sum(self.networks.get(one, False) for one in held)
            }
        return {"routers": 0 if binary in self.idle else len(held)} if binary == L3 else {}

    def ported(self, query: dict[str, str]) -> list[dict[str, Any]]:
        if query.get("device_owner") == carried.JOINED:
            return [{}] if query["network_id"] in self.joined else []
        if query:
            return super().ported(query)
        found = [
            {"id": one, "fixed_ips": [{"ip_address": self.addresses(one)[0]}]}
            for one in self.routers
        ]
        return [*found, {"id": "p1", "fixed_ips": [{"ip_address": "10.7.0.2"}]}]


def make(world: Cloud, home: Path) -> Context:
    cloud = network.context(world, home)
    settings = parse({**fakes.STACK, "source": SOURCE}, "test", home)
    return replace(
        cloud,
        settings=settings,
        source=replace(cloud.source, network_hosts=(world.net,)),
        target=replace(cloud.target, network_hosts=(world.net,)),
    )


SOURCE = {**fakes.STACK["source"], "networkHosts": [{"name": NET, "address": "10.0.0.5"}]}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((reading, "ALIVE_PAUSE"), (carried, "PAUSE")):
        monkeypatch.setattr(module, name, 0.0)
    for module, name in ((reading, "ALIVE_SECONDS"), (carried, "SECONDS")):
        monkeypatch.setattr(module, name, 0.05)
    monkeypatch.setattr(transfer, "pull_tree", lambda *_, **__: None)
    monkeypatch.setattr(transfer, "turn_away", lambda *_: None)
    monkeypatch.setattr(markers, "live", lambda _: True)
    monkeypatch.setattr(markers, "finished", lambda _: False)
    monkeypatch.setattr(login, "api", reading.api)


@pytest.fixture
def world() -> Cloud:
    return Cloud()


class Desk:
    """A run after the other on one journal, as one dies."""

    def __init__(self, world: Cloud, home: Path) -> None:
        self.world, self.context = world, make(world, home)
        self.journal = Journal(home / "journal", "settle")

    def session(self) -> Session:
        return Session(self.context, compose(self.context), self.journal)

    def over(self) -> list[str]:
        return renew_network.renew(self.session(), [NET], lambda *_: None)

    def back(self) -> None:
        renew_network.put_back(self.session(), [NET], lambda *_: None)


@pytest.fixture
def desk(world: Cloud, tmp_path: Path) -> Iterator[Desk]:
    found = Desk(world, tmp_path)
    yield found
    found.journal.close()


def test_each_step_is_done_when_it_was_and_not_before_nor_when_undone(desk: Desk) -> None:
    steps = settled_network(NET)
    assert [one.id for one in steps] == [f"{NET}.{one}" for one in STEPS]
    for step in steps:
        assert not step.done(desk.context), step.id
        step.apply(desk.context)
        assert step.done(desk.context), step.id
    for step in reversed(steps):
        assert step.revert
        step.revert(desk.context)
    assert [one.id for one in steps if one.done(desk.context)] == []


def test_it_comes_over_and_carries_what_it_did_by_the_same_agents(desk: Desk) -> None:
    world = desk.world
    spaces, held, agents = dict(world.net.spaces), dict(world.held), dict(world.agents)
    assert spaces
    assert desk.over() == [NET]
    assert world.net.programs == {one: f"{VENV}/bin/{one}" for one in facts.KNOWN}
    assert (world.net.spaces, world.held, world.agents) == (spaces, held, agents)
    assert world.dark == []
    assert carried.proven(desk.context, world.net)
    assert len(world.events) == EVENTS
    assert desk.over() == []
    assert len(world.events) == EVENTS


def test_neutron_is_asked_and_never_told_anything(desk: Desk) -> None:
    """An agent that is closed is told that it carries nothing, and takes all of it down."""
    desk.over()
    desk.back()
    told = [one for one in desk.world.events if one.split()[0] in ("PUT", "POST", "DELETE")]
    assert told == []


def test_there_and_back_it_is_what_it_was(desk: Desk) -> None:
    before = desk.world.state
    desk.over()
    assert desk.world.state != before
    desk.back()
    assert desk.world.state == before
    desk.back()
    assert desk.world.state == before


def at_each_event(desk: Desk, act: Any) -> int:
    """Do *act* as often as it takes, each time killed one event later than before; how often."""
    for times in range(200):
        desk.world.dies_at = len(desk.world.events) + times
        try:
            act()
        except Killed:
            continue
        finally:
            desk.world.dies_at = None
        return times
    raise AssertionError("it never ends")


def test_killed_anywhere_it_goes_on_and_back(desk: Desk) -> None:
    before = desk.world.state
    assert at_each_event(desk, desk.over) > 4
    assert carried.proven(desk.context, desk.world.net)
    assert at_each_event(desk, desk.back) > 4
    assert desk.world.state == before


@pytest.mark.parametrize("at", range(EVENTS))
def test_killed_on_the_way_over_it_goes_back(desk: Desk, at: int) -> None:
    before = desk.world.state
    desk.world.dies_at = at
    with pytest.raises(Killed):
        desk.over()
    desk.world.dies_at = None
    desk.back()
    assert desk.world.state == before


def another_id(world: Cloud) -> None:
    world.renamed[f"{NET} {L3}"] = "another"
    world.held["another"] = world.held[f"{NET} {L3}"]


def silent(world: Cloud) -> None:
    world.net.starts[DHCP] -= 1


def looks_never(world: Cloud) -> None:
    """What the one before it has left stands all the same."""
    world.idle.add(L3)


def serves_nothing(world: Cloud) -> None:
    world.idle.add(DHCP)


def router_gone(world: Cloud) -> None:
    world.held[f"{NET} {L3}"].discard("r0")


def there(world: Cloud) -> Any:
    """The spaces of the host as it tells them from now on."""
    told = world.net.namespaces_standing()
    world.net.answers["namespaces.standing"] = told
    return told["spaces"]


def space_gone(world: Cloud) -> None:
    del there(world)["qrouter-r1"]


def no_dnsmasq(world: Cloud) -> None:
    there(world)["qdhcp-n1"]["processes"] = []


def no_device(world: Cloud) -> None:
    del there(world)["qrouter-r0"]["devices"]["qr-r0"]


def no_address(world: Cloud) -> None:
    there(world)["qrouter-r0"]["devices"]["qr-r0"] = []


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (another_id, f"record of {L3} was {NET} {L3} and is another"),
        (silent, f"its {DHCP} has not told neutron that it has started again"),
        (looks_never, f"its {L3} has 0 of 2 routers in hand"),
        (serves_nothing, f"its {DHCP} has 0 of 1 networks in hand"),
        (router_gone, "router r0 is carried there no more"),
        (space_gone, "name space qrouter-r1 is gone"),
        (no_dnsmasq, "dnsmasq does not run in qdhcp-n1"),
        (no_device, "ports are gone: qr-r0"),
        (no_address, r"qr-r0 in qrouter-r0 has 10\.9\.0\.1 no more"),
    ],
)
def test_what_is_not_as_it_was_is_named_and_the_same_again_goes_on(
    desk: Desk, breaks: Any, told: str
) -> None:
    net, context = desk.world.net, desk.context
    *ahead, proof = settled_network(NET)
    for step in ahead:
        step.apply(context)
    breaks(desk.world)
    with pytest.raises(StepError, match=told):
        proof.apply(context)
    assert not proof.done(context)
    assert carried.kept(net)


def test_an_agent_of_the_old_release_is_named(desk: Desk) -> None:
    *ahead, proof = settled_network(NET)
    for step in ahead:
        step.apply(desk.context)
    desk.world.net.programs[L3] = f"/usr/bin/{L3}"
    with pytest.raises(StepError, match=f"of the old release there: {L3}"):
        proof.apply(desk.context)


def test_what_users_have_taken_away_meanwhile_is_no_loss(desk: Desk) -> None:
    world = desk.world
    *ahead, proof = settled_network(NET)
    for step in ahead:
        step.apply(desk.context)
    for one in ("r0", "n1"):
        world.routers.pop(one, None)
        world.networks.pop(one, None)
        for held in world.held.values():
            held.discard(one)
        for space in [name for name in world.net.spaces if name.endswith(f"-{one}")]:
            del world.net.spaces[space]
    there(world)["qrouter-r1"]["devices"]["qg-r1"] = []  # a floating IP that nobody has any more
    proof.apply(desk.context)
    assert proof.done(desk.context)


def test_what_users_switch_off_or_join_meanwhile_is_no_loss(desk: Desk) -> None:
    world = desk.world
    space = world.net.namespaces_standing()
    space["spaces"]["qdhcp-n1"]["processes"] = ["dnsmasq", "haproxy"]
    world.net.answers["namespaces.standing"] = space
    *ahead, proof = settled_network(NET)
    for step in ahead:
        step.apply(desk.context)
    world.routers["r0"]["admin_state_up"] = False
    del there(world)["qrouter-r0"]
    with pytest.raises(StepError, match="haproxy does not run in qdhcp-n1"):
        proof.apply(desk.context)
    world.joined.add("n1")
    proof.apply(desk.context)
    assert proof.done(desk.context)


def stops(binary: str) -> Any:
    def act(world: Cloud) -> None:
        world.net.active.discard(binary)

    return act


def unit_of_another_name(world: Cloud) -> None:
    world.agents[f"{NET} x"] = (NET, facts.METADATA)
    world.held[f"{NET} x"] = set()
    tell = world.net.exchange_running
    answers = {k: v for k, v in tell([*facts.KNOWN]).items() if k != facts.METADATA}
    world.net.answers["exchange.running"] = answers


def of_another_kind(world: Cloud) -> None:
    world.agents[f"{NET} m"] = (NET, "neutron-metering-agent")
    world.held[f"{NET} m"] = set()


def runs_servers(world: Cloud) -> None:
    arguments = ["--config-file=/etc/nova/nova.conf"]
    world.net.also["nova-compute"] = {
        **{"program": "/usr/bin/nova-compute", "user": "nova"},
        "arguments": arguments,
    }


@pytest.mark.parametrize(
    ("is_so", "told"),
    [
        (lambda w: w.routers["r0"].update(ha=True), "routers are highly available: router 0"),
        (lambda w: w.routers["r1"].update(distributed=True), "routers are distributed: router 1"),
        (stops(L3), f"{L3} is down or disabled"),
        (unit_of_another_name, f"neutron hears {facts.METADATA}, and no unit of that name runs"),
        (of_another_kind, "neutron-metering-agent is an agent that no code here renews"),
        (runs_servers, "nova-compute runs there, which is not renewed in place"),
        (
            lambda w: w.net.texts.update(
                {"/etc/neutron/l3_agent.ini": "[DEFAULT]\nagent_mode = dvr_snat\n"}
            ),
            "agent_mode = dvr_snat",
        ),
        (lambda w: w.agents.clear(), "neutron knows no agent there"),
    ],
)
def test_what_is_not_understood_is_refused_before_anything_is_done(
    desk: Desk, is_so: Any, told: str
) -> None:
    is_so(desk.world)
    before = desk.world.state
    with pytest.raises(PreconditionError, match=told):
        desk.over()
    assert desk.world.state == before


def test_routers_of_others_forbid_nothing_here(desk: Desk) -> None:
    desk.world.routers["r9"] = {"name": "far", "ha": True}
    assert desk.over() == [NET]


def test_not_before_the_cutover(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "live", lambda _: False)
    with pytest.raises(PreconditionError, match="`migrate cutover` comes first"):
        desk.over()


def test_its_files_are_its_agents_own_and_what_runs_in_spaces_outlives_the_exchange(
    desk: Desk,
) -> None:
    net = desk.world.net
    net.texts = {
        "/etc/neutron/metadata_agent.ini": "[DEFAULT]\nnova_metadata_host = 10.0.0.2\n",
        "/etc/neutron/neutron.conf": "[DEFAULT]\ntransport_url = rabbit://n:x@10.0.0.2:5672/\n",
    }
    desk.world.hosts[OLD].address = "10.0.0.2"
    desk.over()
    kills = {
        name: next(
            line
            for line in str(
                net.written[f"/etc/systemd/system/{name}.service.d/sidestep.conf"][0]
            ).splitlines()
            if line.startswith("KillMode=")
        )
        for name in facts.KNOWN
    }
    assert kills == {
        **{facts.SWITCH: "KillMode=mixed", facts.METADATA: "KillMode=mixed"},
        **{DHCP: "KillMode=process", L3: "KillMode=process"},
    }
    text = {path: str(row[0]) for path, row in net.written.items()}
    assert "nova_metadata_host = 10.0.0.9\n" in text["/etc/neutron/sidestep-metadata.conf"]
    assert "metadata_host" not in text["/etc/neutron/sidestep-l3.conf"]
    assert "root_helper = sudo" in text["/etc/neutron/sidestep-l3.conf"]
    for name in ("sidestep", "sidestep-dhcp", "sidestep-l3", "sidestep-metadata"):
        assert "rabbit://n:x@10.0.0.9:5672/\n" in text[f"/etc/neutron/{name}.conf"]
    rights = text["/etc/sudoers.d/sidestep"].splitlines()
    assert len(rights) == len(set(rights)) == 2


def test_a_metadata_server_behind_tls_is_not_translated(desk: Desk) -> None:
    desk.world.net.texts = {
        "/etc/neutron/metadata_agent.ini": (
            "[DEFAULT]\nnova_metadata_host = 10.0.0.2\nnova_metadata_protocol = https\n"
        )
    }
    desk.world.hosts[OLD].address = "10.0.0.2"
    with pytest.raises(PreconditionError, match="a certificate names one host and not another"):
        desk.over()


def test_agents_beside_servers_are_refused_as_they_were(desk: Desk) -> None:
    source = replace(desk.context.source, network_hosts=(), computes=(desk.world.net,))
    told = in_place.strange(replace(desk.context, source=source), desk.world.net)
    assert any(f"{DHCP}, {L3}, {facts.METADATA} runs there" in one.message for one in told)


def test_none_was_shown_on_real_hosts(desk: Desk) -> None:
    (one,) = check_of(network_hosts).run(desk.context)
    assert one.severity is Severity.ERROR
    assert f"{NET}: {network_hosts.UNSHOWN}" in one.message


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_hosts, "UNSHOWN", "")


@pytest.mark.usefixtures("shown")
def test_a_host_that_neutron_knows_by_another_name_is_told_before_the_window(desk: Desk) -> None:
    desk.world.agents.clear()
    (one,) = check_of(network_hosts).run(desk.context)
    assert (one.severity, one.where) == (Severity.ERROR, NET)
    assert "neutron knows no agent there" in one.message


def test_one_that_is_dead_forbids_nothing_to_compute_hosts(desk: Desk) -> None:
    desk.world.net.dead = True
    (one,) = settle._carriers(desk.context, settle.Asked())
    assert (one.severity, one.where) == (Severity.INFO, NET)


def test_the_command_shows_its_steps_and_what_it_did(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(**asked: bool) -> Any:
        settling._network_hosts(Screen("json"), desk.session(), [NET], **asked)
        TERMINAL.flush()
        return json.loads(capsys.readouterr().out)

    before = desk.world.state
    ids = [f"{NET}.{one}" for one in STEPS]
    assert [one["id"] for one in answer(execute=False, back=False)] == ids
    assert answer(execute=False, back=True) == {"would_undo": ids[::-1]}
    assert desk.world.state == before
    assert answer(execute=True, back=False) == {"done": [NET], "already": []}
    assert answer(execute=True, back=False) == {"done": [], "already": [NET]}
    assert answer(execute=True, back=True) == {"back": [NET]}
    assert desk.world.state == before


def test_its_way_back_is_told_once_something_of_the_release_is_there(desk: Desk) -> None:
    assert ways_back._of_carriers(desk.context) == {}
    desk.over()
    told = ways_back._of_carriers(desk.context)[NET]
    assert told.startswith("the old units again, in seconds (`migrate settle --back")


def test_a_dead_one_that_answers_somebody_keeps_the_target(desk: Desk) -> None:
    """`pulumi destroy` goes on past one that is off, and past no other."""
    error = PassedOverError(f"all else is undone, but not {NET}.renew: away", {NET})
    source: Any = desk.world.hosts[OLD]
    source.answers |= {"reach.packets": [{"whole": 1}], "reach.ports": ["timeout"]}
    with pytest.raises(StepError, match=f"{NET} answers the source's controllers, so it lives"):
        left_behind.tell(desk.session(), error)
    source.answers["reach.packets"] = [{"whole": None}]
    assert f"{NET} is dead" in left_behind.tell(desk.session(), error)


def test_it_is_told_beside_compute_hosts_until_it_has_come_over(desk: Desk) -> None:
    (one,) = settle._carriers(desk.context, settle.Asked())
    assert (one.severity, one.where) == (Severity.INFO, NET)
    assert f"`migrate settle --execute --host {NET}`" in one.remedy
    assert settle._carriers(desk.context, settle.Asked(hosts=["cmp1"])) == []
    desk.over()
    assert settle._carriers(desk.context, settle.Asked()) == []


@pytest.mark.usefixtures("shown")
def test_its_agents_are_not_in_the_way_of_those_of_controllers(desk: Desk) -> None:
    assert refusals.network_hosts(desk.context, reading.api(desk.context)) == []
    assert check_of(network_hosts).run(desk.context) == []
    told = refusals.findings(desk.context)
    assert [one for one in told if one.where == NET] == []


@pytest.mark.parametrize(
    ("hosts", "asked", "past", "told"),
    [
        ((NET,), {"by": "reinstall"}, (), f"--by reinstall: {NET} only carries network agents"),
        ((NET,), {"update": True}, (), "no --update"),
        ((NET,), {"zone": "nova"}, (), "no --update, --zone"),
        ((NET,), {}, (NET,), "--past"),
        ((NET, "cmp1"), {}, (), "name them in two commands"),
    ],
)
def test_more_than_in_place_is_refused_with_a_word(
    hosts: tuple[str, ...], asked: dict[str, Any], past: tuple[str, ...], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        settling._refuse_words(hosts, [NET], settle.Asked(hosts=hosts, **asked), past)


def test_only_in_place_is_no_word_too_many() -> None:
    settling._refuse_words((NET,), [NET], settle.Asked(hosts=[NET], by="in-place"), ())


def test_finish_is_refused_until_its_agents_are_new_and_proven(desk: Desk) -> None:
    (one,) = before_finish._on_network_hosts(desk.context)
    assert (one.severity, one.where) == (Severity.ERROR, NET)
    assert "of the old release" in one.message
    desk.over()
    assert list(before_finish._on_network_hosts(desk.context)) == []
    desk.world.net.dead = True
    (one,) = before_finish._on_network_hosts(desk.context)
    assert "is not known" in one.message


def test_finish_is_refused_while_agents_live_where_nobody_looks(desk: Desk) -> None:
    source = replace(desk.context.source, network_hosts=())
    target = replace(desk.context.target, network_hosts=())
    context = replace(desk.context, source=source, target=target)
    found = list(before_finish._on_network_hosts(context))
    assert {one.where for one in found} == {NET}
    assert all(one.severity is Severity.ERROR for one in found)


def test_the_way_back_of_the_whole_knows_it_whatever_this_desk_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = {one.id for one in settled_network(NET)}
    assert not steps & rollback._standing(desk.session())
    desk.over()
    assert standing.over(desk.context, [desk.world.net]) == {NET}
    (tmp_path / "other").mkdir()
    other = Desk(desk.world, tmp_path / "other")
    assert steps <= rollback._standing(other.session())
    other.journal.close()
    assert NET in desk.context.optional, "a dead one would hold all others up"


def test_the_way_back_of_the_whole_waits_for_no_agent(desk: Desk) -> None:
    """It is undone while users get 503, and whom agents ask may be dead."""
    before = desk.world.state
    desk.over()
    session = desk.session()
    session.runner(Phase.SETTLE).retreat(
        [one for one in session.plan if one.id.startswith(f"{NET}.")]
    )
    assert desk.world.state == before


def test_the_stack_file_names_them(tmp_path: Path) -> None:
    found = parse({**fakes.STACK, "source": SOURCE}, "test", tmp_path)
    assert isinstance(found, Settings)
    assert [one.name for one in found.source.network_hosts] == [NET]
    twice = {**SOURCE, "networkHosts": [{"name": "compute", "address": "10.0.0.5"}]}
    with pytest.raises(SettingsError, match="compute names two machines"):
        parse({**fakes.STACK, "source": twice}, "test", tmp_path)


def test_each_is_among_the_hosts_that_are_let_in_noted_and_reconnected(desk: Desk) -> None:
    assert desk.world.net in desk.context.source.hosts
    assert desk.world.net in desk.context.hosts
    assert desk.context.named(NET) is desk.world.net


def test_checks_ask_it_for_its_release_its_units_and_what_it_reaches(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = desk.world.net
    monkeypatch.setattr(installation, "found", lambda *_: installation.environment("2026.1"))
    net.answers["packages.versions"] = {"neutron": "28.0.0"}
    for host in desk.world.hosts.values():
        host.answers.setdefault("packages.versions", {})  # type: ignore[attr-defined]
    told = [one for one in release.run(desk.context) if one.where == NET]
    assert ["neutron 28.0.0 is of 2026.1" in one.message for one in told] == [True]
    monkeypatch.setattr(net, "reach_ports", lambda asked: ["timeout"] * len(asked))
    assert {one.where for one in reach.run(desk.context) if "cannot be reached" in one.message} == {
        NET
    }
    state = {"Id": f"{L3}.service", "LoadState": "loaded", "ActiveState": "failed"}
    failed = {**state, "SubState": "failed", "UnitFileState": "enabled", "Type": "simple"}
    for host in desk.world.hosts.values():
        host.answers["systemd.show"] = {}  # type: ignore[attr-defined]
    net.answers["systemd.show"] = {f"{L3}.service": failed}
    assert [one.where for one in units.run(desk.context)] == [NET]
