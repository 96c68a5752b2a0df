"""A closed HAProxy, by example: `haproxy/<case>/source.cfg` and what becomes of it.

`users.cfg` and `all.cfg` are the two depths of closing, `target.cfg` is what the target gets.
`UPDATE=1 pytest tests/unit/test_gate_edit.py` writes them anew, to be read before a commit.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from migrate.cloud.settings import VirtualIp
from migrate.onhost.haproxy import without_ours
from migrate.services.base import ApiPort, Recipe
from migrate.takeover import listeners
from migrate.takeover.front import config
from migrate.takeover.gate import haproxy

CASES = sorted(path.parent for path in Path(__file__).parent.glob("haproxy/*/source.cfg"))
OWN = ["10.0.0.11", "10.0.0.21", "127.0.0.0/8"]


def same(path: Path, text: str) -> bool:
    """Whether *path* says *text*; with UPDATE set it is made to."""
    if os.environ.get("UPDATE"):
        path.write_text(text)
    return path.read_text() == text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_closed_to_users(case: Path) -> None:
    source = (case / "source.cfg").read_text()
    closed = haproxy.closed({"a": source}, OWN)["a"]
    assert same(case / "users.cfg", closed)
    assert without_ours(closed) == source


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_closed_to_all(case: Path) -> None:
    source = (case / "source.cfg").read_text()
    closed = haproxy.closed({"a": source}, None)["a"]
    assert same(case / "all.cfg", closed)
    assert without_ours(closed) == source


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_front_before_it(case: Path) -> None:
    found = haproxy.sections((case / "source.cfg").read_text())
    shut = [haproxy.UserSocket("10.0.0.10", port, http=True) for port in (5000, 8774)]
    reads = {5000: ["/federation/"]}
    spec = config.rendered(found, shut, {}, ["10.0.0.11"], OWN, "10.0.0.12", {5000}, reads, 50)
    assert same(case / "front.cfg", spec["config"])
    assert spec["heard"] == [["10.0.0.10", 5000], ["10.0.0.10", 8774]]
    assert spec["ports"] == {"5000": 19001, "8774": 19002}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_target_gets(case: Path) -> None:
    recipes = (
        Recipe(
            project="keystone",
            user="keystone",
            apis=(ApiPort(name="keystone", port=5000), ApiPort(name="nova", port=8774)),
        ),
        Recipe(
            project="horizon",
            user="horizon",
            apis=(ApiPort(name="horizon", port=80, own_port=8082),),
        ),
    )
    addresses = (VirtualIp(address=IPv4Address("10.0.0.10"), interface="eth0"),)
    source = (case / "source.cfg").read_text()
    text = listeners.rendered([source], recipes, addresses, "ctl-new", "10.0.0.12")
    assert same(case / "target.cfg", text)


def test_closing_twice_is_closing_once() -> None:
    source = (CASES[0] / "source.cfg").read_text()
    once = haproxy.closed({"a": source}, OWN)["a"]
    assert [s.name for s in haproxy.sections(once)] == [s.name for s in haproxy.sections(source)]
    assert all(
        a.lines == b.lines
        for a, b in zip(haproxy.sections(once), haproxy.sections(source), strict=True)
    )


def test_a_thousand_hosts_fit_into_haproxys_lines() -> None:
    own = [f"10.0.{i // 250}.{i % 250}" for i in range(1000)]
    source = "listen a\n    mode http\n    bind *:80\n    server a 10.0.0.11:80\n"
    closed = haproxy.closed({"a": source}, own)["a"]
    assert max(len(line.split()) for line in closed.splitlines() if "acl" in line) < 64
    assert all(one in closed for one in own)
