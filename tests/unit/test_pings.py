"""Pings while compute hosts come over: each is told once, in the order in which it was sent."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from migrate.cli.report import write_report
from migrate.computes.network import timings
from migrate.computes.probing import note
from migrate.computes.probing.facts import How, Platform, Shape, Tried, Trip
from migrate.engine import state_directory
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.verify import noticed, pings
from migrate.verify.noticed import Heard
from tests.unit import fakes

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
    record = {"from": "2026", "to": "2026", "heard": [asdict(heard(*steady(1, 11)))]}
    state_directory.record(tmp_path / noticed.FILE, {f"settle {host}": record})
    page = write_report(session).read_text()
    assert f"<td>{host}</td><td>0." in page
    assert "close 0." in page
    assert "1 works" in page
    assert "<td>edge</td><td>a</td><td>b</td><td>1.25 s</td>" in page
    assert "<td>ping</td><td>10.0.0.9</td><td>10</td><td>0</td>" in page
    assert "ten times a second" in page
    kept = json.loads((tmp_path / "report.json").read_text())["settled"]
    assert kept["migrations"] == {"works": 1}
    assert kept["hosts"][0]["steps"].keys() == {"close"}
    journal.close()
