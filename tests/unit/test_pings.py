"""Pings while compute hosts come over: each is told once, in the order in which it was sent."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, ClassVar

import pytest

from migrate.cli import pings_report
from migrate.cli.report import write_report
from migrate.cloud import login
from migrate.computes.network import timings
from migrate.computes.probing import note
from migrate.computes.probing.facts import How, Platform, Shape, Tried, Trip
from migrate.engine import state_directory, window
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase
from migrate.engine.window import Span
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.verify import noticed, pings, watched
from migrate.verify.noticed import Heard
from tests.unit import fakes

T = 1_795_000_000.0
NOW = "2026-11-28T09:00:00+00:00"
ANSWER = "[{at:.6f}] 64 bytes from 10.0.0.9: icmp_seq={number} ttl=64 time={took} ms"
NONE = "[{at:.6f}] no answer yet for icmp_seq={number}"
UNREACHED = "[{at:.6f}] From 10.0.0.1 icmp_seq={number} Destination Host Unreachable"


def heard(*lines: tuple[str, float, int]) -> Heard:
    found = Heard("ping", "10.0.0.9")
    told = pings.InOrder(found.note)
    told.line("PING 10.0.0.9 (10.0.0.9) 56(84) bytes of data.")
    for text, at, number in lines:
        told.line(text.format(at=at, number=number, took=0.5))
    return found


def steady(begin: int, end: int, at: float = 0.0) -> list[tuple[str, float, int]]:
    return [(ANSWER, 100 + at + number / 10, number % 65536) for number in range(begin, end)]


def test_all_that_answer_are_lost_never() -> None:
    found = heard(*steady(1, 101))
    assert (found.calls, found.failed, found.longest) == (100, 0, 0.0)


@pytest.mark.parametrize("told", [NONE, UNREACHED])
def test_who_is_silent_for_a_while_is_counted(told: str) -> None:
    gap = [(told, 100 + (number + 1) / 10, number) for number in range(11, 26)]
    found = heard(*steady(1, 11), *gap, *steady(26, 101))
    assert (found.calls, found.failed, found.longest) == (100, 15, 1.5)
    assert found.silent_since is None


def test_an_answer_that_was_late_is_one() -> None:
    late = [(NONE, 101.2, 11), (ANSWER, 101.21, 11)]
    found = heard(*steady(1, 11), *late, *steady(12, 101))
    assert (found.calls, found.failed) == (100, 0)


def test_numbers_begin_again() -> None:
    found = heard(*steady(1, 65600))
    assert (found.calls, found.failed) == (65599, 0)


def test_a_machine_is_pinged_as_long_as_the_block_runs(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    settle = context.settings.settle.model_copy(update={"watch": ("127.0.0.1",)})
    settings = context.settings.model_copy(update={"settle": settle})
    context = replace(context, settings=settings)
    told = list[str]()
    with noticed.recording(
        context, "settle", lambda *words: told.append(" ".join(words)), streams=pings.streams
    ):
        time.sleep(3)
    assert told == []
    (one,) = noticed.kept(tmp_path)["settle"]["heard"]
    assert (one["what"], one["at"], one["failed"]) == ("ping", "127.0.0.1", 0)
    assert one["calls"] > 5


def test_the_report_tells_of_hosts_and_routers(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    host = context.source.computes[0].name
    journal = Journal(tmp_path / "journal", "settle")
    session = Session(context, compose(context), journal)
    assert "Compute hosts and network agents" not in write_report(session).read_text()
    for state in (State.STARTED, State.DONE):
        journal.record(Phase.SETTLE, f"{host}.close", state)
    platform = Platform(*["x"] * len(Platform._fields))
    trip = Trip(platform, platform, Shape(*["y"] * len(Shape._fields)))
    note.add(context, trip, Tried(How.WORKS, ""))
    timings.keep(
        context, router="r", name="edge", old="a", new="b", built=1.25, cleared=0.5, rested=9.0
    )
    record = {"from": NOW, "to": NOW, "heard": [asdict(heard(*steady(1, 11)))]}
    state_directory.record(tmp_path / noticed.FILE, {f"settle {host}": record})
    page = write_report(session).read_text()
    assert f"<td>{host}</td><td>0." in page
    assert "close 0." in page
    assert "1 works" in page
    assert "<td>edge</td><td>a</td><td>b</td><td>1.25 s</td>" in page
    assert "<td>ping</td><td>10.0.0.9</td><td>10</td><td>0</td>" in page
    assert "ten times a second, at" in page
    kept = json.loads((tmp_path / "report.json").read_text())["settled"]
    assert kept["migrations"] == {"works": 1}
    assert kept["hosts"][0]["steps"].keys() == {"close"}
    journal.close()


class Settled:
    """Compute hosts a and b that came over, at times that a test names: seconds after T."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found, _ = fakes.context(home)
        computes = tuple(fakes.FakeHost(name) for name in ("a", "b"))
        self.context = replace(found, source=replace(found.source, computes=computes))
        self.journal = Journal(home / "journal", "settle")
        self.session = Session(self.context, compose(self.context), self.journal)
        self.patch = monkeypatch
        self.lost: dict[str, Heard] = {}

    def at_work(self, step: str, begin: float, end: float, state: State = State.DONE) -> None:
        for at, one in ((begin, State.STARTED), (end, state)):
            with self.patch.context() as patched:
                patched.setattr("migrate.engine.journal.time.time", lambda at=at: T + at)
                self.journal.record(Phase.SETTLE, step, one)

    def silent(self, address: str, begin: float, count: int) -> None:
        one = self.lost.setdefault(address, Heard("ping", address))
        one.note(T + begin - 0.1, 0.001, "")
        for number in range(count):
            one.note(T + begin + number / 10, 0.1, pings.LOST)
        one.note(T + begin + count / 10, 0.001, "")

    def pinged(self, begin: float, end: float, command: str = "settle") -> None:
        times = [datetime.fromtimestamp(T + at, UTC).isoformat() for at in (begin, end)]
        record = {"from": times[0], "to": times[1], "heard": list(map(asdict, self.lost.values()))}
        state_directory.record(self.context.home / noticed.FILE, {command: record})

    @property
    def page(self) -> str:
        return write_report(self.session).read_text()

    @property
    def told(self) -> dict[str, Any]:
        write_report(self.session)
        found: dict[str, Any] = json.loads((self.context.home / "report.json").read_text())
        return dict(found["settled"])


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settled]:
    found = Settled(tmp_path, monkeypatch)
    yield found
    found.journal.close()


def of(told: dict[str, Any], host: str) -> dict[str, Any]:
    return next(dict(one) for one in told["hosts"] if one["host"] == host)


def test_a_lost_ping_is_that_of_the_host_whose_step_was_at_work(settled: Settled) -> None:
    settled.at_work("a.drain", 0, 10)
    settled.at_work("a.renew", 10.5, 20, State.FAILED)
    settled.at_work("a.renew", 21, 30)
    settled.at_work("b.renew", 40, 50)
    settled.silent("10.0.0.9", 2, 4)
    settled.silent("10.0.0.9", 9.55, 18)  # into the next step, and some between the two
    settled.silent("10.0.0.8", 15, 1)
    settled.silent("10.0.0.8", 35, 2)
    settled.pinged(0, 60)
    told = settled.told
    assert of(told, "a")["pings"] == {
        "lost": 4 + 13 + 1,
        "servers": {"10.0.0.8": 1, "10.0.0.9": 17},
        "whole": True,
    }
    assert of(told, "b")["pings"] == {"lost": 0, "servers": {}, "whole": True}
    rows = [(o["address"], o["host"], o["step"], o["pings"]) for o in told["pings"]["lost"]]
    assert rows == [
        ("10.0.0.8", "", "", 2),
        ("10.0.0.8", "a", "renew", 1),
        ("10.0.0.9", "", "", 5),
        ("10.0.0.9", "a", "drain", 4 + 5),
        ("10.0.0.9", "a", "renew", 8),
    ]
    assert told["pings"]["watch"] == ""


@pytest.mark.parametrize(
    ("command", "host"),
    [("settle --back a", "a"), ("settle --back a b", ""), ("settle --agents", "")],
)
def test_between_steps_it_is_that_of_the_only_host_that_was_asked_for(
    settled: Settled, command: str, host: str
) -> None:
    settled.at_work("a.renew", 0, 10)
    settled.at_work("b.renew", 0, 10)
    settled.silent("10.0.0.9", 12, 3)  # as its old programs start again, which is no step
    settled.pinged(0, 60, command)
    (one,) = settled.told["pings"]["lost"]
    assert (one["host"], one["step"], one["pings"]) == (host, "", 3)


def test_of_two_at_work_it_is_the_one_where_its_server_stood(settled: Settled) -> None:
    settled.at_work("a.renew", 0, 10)
    settled.at_work("b.renew", 0, 10)
    settled.silent("10.0.0.9", 2, 3)
    settled.silent("10.0.0.8", 2, 1)  # nobody knows whose that is
    settled.pinged(0, 60)
    owners = {"10.0.0.9": {"server": "6f", "name": "web", "host": "b"}}
    state_directory.record(settled.context.home / watched.FILE, {"addresses": owners})
    told = settled.told
    assert of(told, "b")["pings"]["servers"] == {"web (6f)": 3}
    assert of(told, "a")["pings"]["servers"] == {"10.0.0.8": 1}
    beside = {one["address"]: one["beside"] for one in told["pings"]["lost"]}
    assert beside == {"10.0.0.9": ["a"], "10.0.0.8": ["b"]}
    assert "<td>3: 3 of web (6f)</td>" in settled.page


class Counted:
    """A `Span` that counts how often somebody looks when it was."""

    looked = 0

    def __init__(self, step: str, start: float, end: float) -> None:
        self.step, self._times = step, (start, end)

    @property
    def start(self) -> float:
        Counted.looked += 1
        return self._times[0]

    @property
    def end(self) -> float:
        Counted.looked += 1
        return self._times[1]


def test_in_a_large_cloud_each_step_is_looked_at_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each ping is still that of the last step that its host had begun by then."""
    context, _ = fakes.context(tmp_path)
    chance = random.Random(4)
    count = 100
    names = [f"c{number}" for number in range(count)]
    spans = [
        Counted(f"{name}.{step}", T + at, T + at + chance.randint(1, 40))
        for number, name in enumerate(names)
        for step, at in (("drain", 10 * number), ("renew", 10 * number + 20))
    ]
    spans.sort(key=lambda one: one._times)
    silences = [[at := T + chance.randint(0, 10 * count), at + 0.5, 6] for _ in range(400)]
    record = {"from": NOW, "to": NOW, "heard": [{"what": "ping", "at": "x", "silences": silences}]}
    monkeypatch.setattr(noticed, "kept", lambda _: {"settle": record})
    Counted.looked = 0
    found = pings_report.gather(context, names, spans)  # type: ignore[arg-type]
    assert Counted.looked < 20 * len(spans)
    plain: Counter[tuple[str, str, str, tuple[str, ...]]] = Counter()
    for first, last, many in silences:
        for number in range(int(many)):
            at = first + number * (last - first) / (many - 1)
            steps = [one.step for one in spans if one._times[0] <= at <= one._times[1]]
            mine = dict(step.split(".") for step in steps)
            host, *beside = sorted(mine) or [""]
            plain["x", host, mine.get(host, ""), tuple(beside)] += 1
    rows = {(o["address"], o["host"], o["step"], o["beside"]): o["pings"] for o in found["lost"]}
    assert rows == plain
    assert len(rows) > count


def test_what_was_not_pinged_is_not_said_to_have_lost_nothing(settled: Settled) -> None:
    settled.at_work("a.renew", 0, 10)
    settled.at_work("b.renew", 20, 30)
    settled.at_work("b.open", 30, 90)
    assert of(settled.told, "a")["pings"] is None
    assert "sidestep:settle" in settled.told["pings"]["watch"]
    assert "No address was pinged" in settled.page
    assert "<td>not pinged</td>" in settled.page
    settled.lost["10.0.0.9"] = Heard("ping", "10.0.0.9")
    settled.pinged(15, 40)
    assert of(settled.told, "a")["pings"] is None
    assert of(settled.told, "b")["pings"] == {"lost": 0, "servers": {}, "whole": False}
    assert "No address was pinged" not in settled.page


def test_a_step_that_nobody_saw_end_was_at_work_until_its_run_was_silent(
    settled: Settled,
) -> None:
    settled.at_work("b.close", 0, 1)
    settled.at_work("a.renew", 2, 3, State.STARTED)
    settled.at_work("b.drain", 4, 9)
    assert window.acts(settled.journal.events()) == [
        Span("b.close", T, T + 1),
        Span("a.renew", T + 2, T + 9),
        Span("a.renew", T + 3, T + 9),
        Span("b.drain", T + 4, T + 9),
    ]


def test_servers_of_a_host_and_how_long_each_moved_are_told(settled: Settled) -> None:
    settled.at_work("a.drain", 0, 10)
    servers = {"kinds": {"running": 3, "paused": 1}, "disks": {"local disk": 4, "volumes": 0}}
    moved = {"server": "6f", "name": "web", "how": "live", "from": "a", "to": "b", "wrong": ""}
    record = {
        "status": "completed",
        "created_at": "2026-11-28T09:00:00.000000",
        "updated_at": "2026-11-28T09:00:07.500000",
    }
    moves = [
        {**moved, "asked": T, "ended": T + 9.04, "migration": record},
        {**moved, "server": "7a", "name": "db", "asked": T},
    ]
    kept = settled.context.home / "moves-a.json"
    state_directory.record(kept, {"servers": servers, "moves": moves})
    told = of(settled.told, "a")
    assert told["servers"] == servers
    assert [(one["seconds"], one["nova_seconds"]) for one in told["moved"]] == [
        (9.0, 7.5),
        (None, None),
    ]
    page = settled.page
    assert "<td>3 running, 1 paused, 4 with local disk</td>" in page
    assert "<td>web (6f)</td><td>live</td><td>a</td><td>b</td><td>9.0 s</td>" in page
    assert "<td>7.5 s, completed</td>" in page
    assert "<td>not seen to end</td>" in page


class Neutron:
    """Ports and floating addresses of three servers, of which two have one address."""

    bases: ClassVar[dict[str, str]] = {}
    PORTS: ClassVar[list[tuple[str, str, str, str]]] = [
        ("p1", "compute:nova", "web", "10.0.0.9"),
        ("p2", "compute:nova", "a", "10.0.0.7"),
        ("p3", "compute:nova", "b", "10.0.0.7"),
        ("p4", "network:router_interface", "r", "10.0.0.1"),
    ]

    def pages(self, _: str, path: str, __: str, **query: str) -> list[dict[str, Any]]:
        if path == "/floatingips":
            floats = query["floating_ip_address"] == "192.0.2.9"
            return [{"port_id": "p1"}] if floats else []
        return [
            {"device_owner": owner, "device_id": server}
            for port, owner, server, address in self.PORTS
            if query in ({"id": port}, {"fixed_ips": f"ip_address={address}"})
        ]

    def get(self, _: str, path: str, **__: str) -> dict[str, Any]:
        id_ = path.removeprefix("/servers/")
        return {"server": {"id": id_, "name": f"the {id_}", "OS-EXT-SRV-ATTR:host": "c1"}}


def test_whose_an_address_is_by_neutron(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _ = fakes.context(tmp_path)
    watch = tuple(map(IPv4Address, ("10.0.0.9", "192.0.2.9", "10.0.0.7", "10.0.0.1")))
    settle = context.settings.settle.model_copy(update={"watch": watch})
    context = replace(context, settings=context.settings.model_copy(update={"settle": settle}))
    monkeypatch.setattr(login, "api", lambda _: Neutron())
    watched.keep(context)
    web = {"server": "web", "name": "the web", "host": "c1"}
    assert watched.kept(context) == {
        **{"10.0.0.9": web, "192.0.2.9": web},
        **{"10.0.0.7": {}, "10.0.0.1": {}},
    }
