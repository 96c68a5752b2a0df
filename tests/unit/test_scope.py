"""What is told of who uses a source: facts of hosts in, one finding for each thing out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.checks import scope, traces
from migrate.checks.scope_facts import Consumer, Endpoint, Facts, Machine

CASES = sorted(Path(__file__).with_name("scope").glob("*.yaml"))


def facts_of(case: dict[str, Any]) -> Facts:
    """The facts of a case: sockets are written `address:port unit program [remote]`."""
    return Facts(
        virtual_ips=("10.0.0.10",),
        own=frozenset({"10.0.0.10", "10.0.0.11", "10.0.0.21"}),
        controllers=[machine("ctl", case.get("controller", {}))],
        computes=[machine("cmp", case.get("compute", {}))],
        databases=case.get("databases", {}),
        sessions=[(*end(text.split()[0]), text.split()[1]) for text in case.get("sessions", [])],
        consumers=[
            Consumer(text.split()[0], "/", *end(text.split()[1]))
            for text in case.get("consumers", [])
        ],
        heard=[(one[0], one[1]) for one in case.get("heard", [])],
        endpoints=[Endpoint(one[0], one[1], "public", one[2]) for one in case.get("catalogue", [])],
    )


def machine(name: str, told: dict[str, Any]) -> Machine:
    listening = []
    for address, unit, program in (line.split() for line in told.get("listening", [])):
        at, port = end(address)
        listening.append({"address": at, "port": port, "unit": unit, "program": program})
    connected = []
    for local, remote, unit, program in (line.split() for line in told.get("connected", [])):
        ends: dict[str, Any] = {"local": list(end(local)), "remote": list(end(remote))}
        connected.append({**ends, "unit": unit, "program": program})
    running = [*told.get("running", []), *(row["unit"] for row in (*listening, *connected))]
    return Machine(name, listening, connected, running)


def end(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.replace("*", ""), int(port)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    found = scope.judge(facts_of(case), tuple(case.get("leave", ())))
    told = [f"{one.severity} {one.message}" for one in found]
    assert len(told) == len(case["told"]), told
    for words, line in zip(case["told"], told, strict=True):
        assert all(word in line for word in words), line
    assert all(one.remedy for one in found)


@pytest.mark.parametrize(
    ("word", "is_one"),
    [
        ("10.0.0.10:5000", True),
        ("2001:db8::10:443", True),
        ("haproxy:443", False),
        ("octavia", False),
        ("10.0.0.77", False),  # a host, which is no listener
    ],
)
def test_words_for_one_listener(word: str, is_one: bool) -> None:
    assert traces.is_socket(word) is is_one


def test_units_that_the_target_runs_are_no_loss() -> None:
    assert {"cinder-backup", "nova-serialproxy", "nova-spicehtml5proxy", "glance-scrubber"} <= set(
        traces.UNMOVED
    )
    assert not {"nova-api", "nova-api-os-compute", "neutron-server", "apache2"} & set(
        traces.UNMOVED
    )
