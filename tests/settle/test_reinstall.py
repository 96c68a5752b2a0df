"""A compute host of the lab is reinstalled with the new release, and back with the old one.

In a lab that stands after `python -m tests.lab.demo over`, by hand:

    python -c "from tests.settle import test_reinstall as t; t.by_hand()"
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from migrate.computes.reinstalling import keeping
from migrate.onhost import call
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, migrate, succeeds
from tests.lab import disks, identity
from tests.lab.content.servers import wait_for_ping
from tests.lab.settings import lab as this_lab
from tests.settle import migrations
from tests.settle.hosts import BACK, host, lost, old, row, wait_until_old
from tests.settle.test_drain import Pings, booted
from tests.settle.test_in_place import mortal

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-reinstall")]
HOST = ("--host", "cmp1", "--canary", "0")
SETTLE = ("settle", "--execute", "--by", "reinstall", *HOST)
STEPS = (
    *("close", "drain", "keep", "reinstall", "packages", "own", "environment", "renew"),
    *("proof", "open", "home"),
)
OWN = ("/var/lib/nova/compute_id", "/etc/machine-id", "/etc/hostname", "/etc/nova/nova.conf")


@pytest.fixture(scope="module", autouse=True)
def _movable(over: None) -> None:
    prepare()


def prepare() -> None:
    migrations.make(this_lab())


def own() -> dict[str, Any]:
    """By what the cloud and other hosts know cmp1."""
    admin, here = identity.connect(this_lab()), host("cmp1")
    (node,) = [one for one in admin.compute.hypervisors(details=True) if one.name == "cmp1"]
    keys = here.shell("cat /etc/ssh/ssh_host_ed25519_key.pub /var/lib/nova/.ssh/id_ed25519.pub")
    return {
        "files": {path: here.run("sha256sum", path) for path in OWN},
        "keys": keys,
        "record": row("cmp1").id,
        "node": node.id,
        "provider": admin.placement.find_resource_provider("cmp1").id,
    }


def booted_as() -> str:
    return str(call(host("cmp1"), "kept.system")["boot"])


def kept() -> bool:
    context = context_of(STACK)
    return keeping.keeper(context).exists(keeping.folder(host("cmp1")))


def test_the_plan_says_that_servers_leave() -> None:
    with booted("live") as server:
        told = json.loads(succeeds("settle", "--by", "reinstall", "--host", "cmp1", "--json"))
        (planned,) = told["hosts"]
        (mine,) = [one for one in planned["servers"] if one["id"] == server.id]
        assert (told["by"], mine["action"], mine["to"]) == ("reinstall", "live-migrate", "cmp2")


def test_one_that_would_stay_on_the_system_s_own_disk_is_refused() -> None:
    with booted("stop") as server:
        ended = migrate(*SETTLE)
        assert ended.returncode == 3
        assert "lies on the system's own disk" in " ".join(ended.stderr.split())
        assert (server.now.compute_host, server.now.status) == ("cmp1", "ACTIVE")
    assert old() == {"cmp1", "cmp2"}


def test_it_is_made_anew_and_the_same_host_after_it() -> None:
    before, boot = own(), booted_as()
    with booted("live") as server:
        began = time.time()
        with Pings(server.address) as pings:
            told = json.loads(succeeds(*SETTLE, "--json"))
        print(f"cmp1 reinstalled in {time.time() - began:.1f} s, there and home: {pings}")
        print(f"servers of the load: {lost(began) or 'no ping lost'}")
        assert told["done"] == ["cmp1"]
        assert old() == {"cmp2"}
        assert own() == before
        assert booted_as() != boot
        assert row("cmp1").status == "enabled"
        assert server.moves == [("cmp1", "cmp2", "completed"), ("cmp2", "cmp1", "completed")]
        assert kept()
        assert json.loads(succeeds(*SETTLE, "--json"))["already"] == ["cmp1"]
        goes_back(before, server)


def goes_back(before: dict[str, Any], server: Any) -> None:
    boot, began = booted_as(), time.time()
    succeeds(*BACK)
    print(f"cmp1 reinstalled with the old release in {time.time() - began:.1f} s")
    wait_until_old({"cmp1", "cmp2"})
    assert own() == before
    assert booted_as() != boot
    assert row("cmp1").status == "enabled"
    assert server.now.status == "ACTIVE"
    wait_for_ping("live", server.address)
    assert not kept()


def test_one_that_is_stopped_stays_on_a_disk_that_outlasts_the_system() -> None:
    disks.give(this_lab(), "cmp1")
    deadline = time.monotonic() + 240
    while row("cmp1").state != "up" and time.monotonic() < deadline:
        time.sleep(2)
    before = own()
    with booted("stop") as server:
        began = time.time()
        succeeds(*SETTLE)
        print(f"cmp1 reinstalled beside its disk in {time.time() - began:.1f} s")
        assert own() == before
        assert server.moves == []
        assert (server.now.compute_host, server.now.status) == ("cmp1", "ACTIVE")
        wait_for_ping("stop", server.address)
        goes_back(before, server)
        assert server.moves == []


def test_killed_at_each_boundary_it_goes_on(tmp_path: Path) -> None:
    before = own()
    for _ in range(3 * len(STEPS)):
        if (ended := mortal(tmp_path, *SETTLE)).returncode == 0:
            break
        assert ended.returncode == -9, ended.stdout + ended.stderr
    died = (tmp_path / "died").read_text().split("\n")[:-1]
    assert {one.split()[0].partition(".")[2] for one in died} >= set(STEPS[:-1])
    assert old() == {"cmp2"}
    assert own() == before
    succeeds(*BACK)
    wait_until_old({"cmp1", "cmp2"})
    assert not kept()


def by_hand() -> None:
    """All but those that kill, in a lab that stands."""
    prepare()
    for name, test in list(globals().items()):
        if name.startswith("test_") and "killed" not in name:
            print(name, flush=True)
            test()
