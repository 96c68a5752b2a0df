"""Servers leave a compute host of the lab before it is renewed, by the rules of its stack file.

Each test boots servers of its own on cmp1, brings that host over and back, and needs no other. In a
lab that stands after `python -m tests.lab.demo over`, by hand:

    python -c "from tests.settle import test_drain as t; t.by_hand()"               all of them
    python -c "from tests.settle import test_drain as t; t.by_hand('moves_live')"   one
    python -c "from tests.settle import test_drain as t; t.migrations.remove(t.this_lab())"
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from migrate.cloud import wait
from tests.full.test_pass import migrate, succeeds
from tests.lab import identity
from tests.lab.content.servers import BOOTED, wait_for_ping
from tests.lab.settings import lab as this_lab
from tests.settle import migrations
from tests.settle.hosts import BACK, SETTLE, begun, each_test, lost, old, row, until, wait_until_old

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-drain")]
MICROVERSION = "2.90"
LOST = 4  # of 10 pings a second, by one live migration: what was measured by hand


@pytest.fixture(scope="module", autouse=True)
def _movable(over: None) -> None:
    migrations.make(this_lab())


@dataclass(frozen=True, slots=True)
class Booted:
    """A server of project demo that answers ping."""

    id: str
    address: str

    @property
    def now(self) -> Any:
        return cloud().compute.get_server(self.id)

    @property
    def moves(self) -> list[tuple[str, str, str]]:
        """From where, where to, and how that ended; the first first."""
        path = f"/os-migrations?instance_uuid={self.id}"
        rows = cloud().compute.get(path, microversion=MICROVERSION).json()["migrations"]
        rows.sort(key=lambda one: one["id"])
        return [(one["source_compute"], one["dest_compute"], one["status"]) for one in rows]


def cloud() -> Any:
    """The administrator in project demo, whose security group lets pings in."""
    return identity.connect(this_lab(), "admin", "demo")


def ask(name: str, host: str, image: str, **metadata: str) -> str:
    """Ask for a server on *host*; its id."""
    admin = cloud()
    body = {
        "name": name,
        "host": host,
        "imageRef": admin.image.find_image(image).id,
        "flavorRef": admin.compute.find_flavor("t.tiny").id,
        "networks": [{"uuid": admin.network.find_network("lan").id}],
        "security_groups": [{"name": "open"}],
        "metadata": metadata,
    }
    asked = admin.compute.post("/servers", json={"server": body}, microversion=MICROVERSION)
    assert asked.status_code == 202, asked.text
    return str(asked.json()["server"]["id"])


def answering(server: str) -> Booted:
    """The server with this id, once it has booted and answers ping."""
    admin = cloud()
    admin.compute.wait_for_server(admin.compute.get_server(server), wait=BOOTED)
    port = next(iter(admin.network.ports(device_id=server)))
    found = Booted(server, port.fixed_ips[0]["ip_address"])
    wait_for_ping(server, found.address)
    return found


@contextmanager
def booted(do: str) -> Iterator[Booted]:
    server = ask(f"settled {do}", "cmp1", "tiny", settle=do)
    try:
        yield answering(server)
    finally:
        remove(server)


def remove(server: str) -> None:
    nova = cloud().compute
    nova.delete_server(server, ignore_missing=True)
    wait.until(lambda: nova.find_server(server) is None, 120, f"{server} is not gone")


def until_on_its_way(server: Booted, child: subprocess.Popen[str]) -> None:
    """Return as soon as nova moves *server*, while *child* runs."""
    nova = cloud().compute  # to log in at each look would take longer than what comes first
    until(child, lambda: nova.get_server(server.id).status == "MIGRATING", 600)


class Pings:
    """How many got no answer while the block ran: ten a second, each a flow of its own.

    One flow that stands goes beside them, and is only told: where its packets meet the new host
    before its rules do, Open vSwitch's firewall lets none through for as long as they come.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._over = threading.Event()
        self._asking = threading.Thread(target=self._ask)
        self.sent = self.lost = 0
        self.standing = ""

    def __enter__(self) -> Pings:
        # quiet: a word on each would fill the pipe in two minutes, and it would send no more
        argv = ["ping", "-qni0.1", self._address]
        self._stands = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self._asking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._asking.join()
        self._stands.send_signal(signal.SIGINT)
        told = self._stands.communicate(timeout=30)[0]
        found = re.search(r"(\d+) packets transmitted, (\d+) received", told)
        assert found, told
        self.standing = f"{int(found[1]) - int(found[2])} of {found[1]}"

    def _ask(self) -> None:
        argv = ["ping", "-qnc1", "-W1", self._address]
        waiting: list[subprocess.Popen[bytes]] = []
        beat = time.monotonic()
        while not self._over.wait(max(0.0, beat - time.monotonic())):
            waiting.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL))
            self.sent += 1
            beat += 0.1
            ended = [one for one in waiting if one.poll() is not None]
            waiting = [one for one in waiting if one not in ended]
            self.lost += sum(one.returncode != 0 for one in ended)
        self.lost += sum(one.wait() != 0 for one in waiting)

    def __str__(self) -> str:
        return f"{self.lost} of {self.sent} pings lost, {self.standing} of one flow that stands"


def test_the_plan_says_who_leaves_and_comes_home() -> None:
    with booted("live") as server:
        (host,) = json.loads(succeeds("settle", "--host", "cmp1", "--json"))["hosts"]
        (mine,) = [one for one in host["servers"] if one["id"] == server.id]
        assert (mine["action"], mine["to"], mine["home"]) == ("live-migrate", "cmp2", True)
        others = {one["action"] for one in host["servers"] if one["id"] != server.id}
        assert others <= {"stays"}


def test_one_moves_live_under_the_load_and_comes_home() -> None:
    with booted("live") as server:
        began = time.time()
        with Pings(server.address) as over:
            told = json.loads(succeeds(*SETTLE, "--json"))
        print(f"cmp1 over in {time.time() - began:.1f} s, there and home: {over}")
        print(f"servers that stayed: {lost(began) or 'no ping lost'}")
        assert told["done"] == ["cmp1"]
        assert old() == {"cmp2"}
        assert server.moves == [("cmp1", "cmp2", "completed"), ("cmp2", "cmp1", "completed")]
        assert (server.now.compute_host, server.now.status) == ("cmp1", "ACTIVE")
        assert row("cmp1").status == "enabled"
        began = time.time()
        with Pings(server.address) as back:
            succeeds(*BACK)
        print(f"cmp1 back in {time.time() - began:.1f} s: {back}")
        wait_until_old({"cmp1", "cmp2"})
        assert len(server.moves) == 2  # it was home
        assert over.lost <= 2 * LOST
        assert back.lost == 0


def test_killed_while_one_is_on_its_way_the_same_again_goes_on() -> None:
    with booted("live") as server:
        child = begun()
        until_on_its_way(server, child)
        child.kill()
        child.wait()
        with Pings(server.address) as pings:
            succeeds(*SETTLE)
        print(f"killed and gone on with: {pings}")
        assert server.moves == [("cmp1", "cmp2", "completed"), ("cmp2", "cmp1", "completed")]
        assert old() == {"cmp2"}
        succeeds(*BACK)
        wait_until_old({"cmp1", "cmp2"})


def test_others_are_moved_cold_or_stopped_and_started() -> None:
    with ExitStack() as stack:
        cold, stopped = (stack.enter_context(booted(do)) for do in ("cold", "stop"))
        began = time.time()
        with Pings(cold.address) as of_cold, Pings(stopped.address) as of_stopped:
            succeeds(*SETTLE)
        print(f"cmp1 over in {time.time() - began:.1f} s, cold: {of_cold}; stopped: {of_stopped}")
        assert cold.moves == [("cmp1", "cmp2", "confirmed")]  # its rule has no `home`
        assert (cold.now.compute_host, cold.now.status) == ("cmp2", "ACTIVE")
        assert (stopped.now.compute_host, stopped.now.status) == ("cmp1", "ACTIVE")
        wait_for_ping("cold", cold.address)
        wait_for_ping("stop", stopped.address)
        succeeds(*BACK)
        wait_until_old({"cmp1", "cmp2"})
        assert cold.now.compute_host == "cmp2"


def test_one_that_must_be_asked_for_is_refused_before_anything_is_done() -> None:
    with booted("ask") as server:
        ended = migrate(*SETTLE)
        assert ended.returncode == 3
        assert "not decided upon" in ended.stderr
        assert server.now.compute_host == "cmp1"
        assert old() == {"cmp1", "cmp2"}


def by_hand(*words: str) -> None:
    """The tests whose names have one of *words*, all by default, in a lab that stands."""
    migrations.make(this_lab())
    each_test(globals(), words)
