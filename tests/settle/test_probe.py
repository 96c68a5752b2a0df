"""Live migration is tried by servers of ours as a compute host of the lab comes over.

In a lab that stands after `python -m tests.lab.demo over`, by hand:

    python -c "from tests.settle import test_probe as t; t.by_hand()"               all of them
    python -c "from tests.settle import test_probe as t; t.by_hand('both_ways')"    one
    python -c "from tests.settle import test_probe as t; t.migrations.remove(t.this_lab())"

They go on from each other: the first that brings cmp1 over tries, the next finds what was tried.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from migrate.cloud.api import Api
from migrate.verify import boot
from tests.full.test_pass import succeeds
from tests.lab import identity
from tests.lab.content import from_volume, servers
from tests.lab.settings import lab as this_lab
from tests.settle import migrations
from tests.settle.hosts import BACK, SETTLE, begun, lost, old, row, until, wait_until_old

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-probe")]
BETWEEN = [("2025.1", "2025.1"), ("2025.1", "2026.1"), ("2026.1", "2025.1")]
MICROVERSION = "2.90"
ROOT = "volume file"  # of one that boots from it, and has nothing else
DISKS = {"local file", "local file, volume file", ROOT}


def cloud(*login: str) -> Any:
    return identity.connect(this_lab(), *login)


def ours() -> list[tuple[str, str]]:
    """What stands that no user has made."""
    return list(boot.left(Api(cloud())))


def disks(one: dict[str, str]) -> str:
    """Those of the server of a way."""
    return one["server"].split(", ", 2)[2]  # after its machine and firmware


def works(told: dict[str, Any], of: str) -> set[tuple[str, str]]:
    """Releases between which a server of ours went, with the disks *of*."""
    return {
        (one["from"].split()[0], one["to"].split()[0])
        for one in told["moves"]
        if one["how"] == "works" and disks(one) == of
    }


def test_hosts_that_take_no_server_are_named_and_nothing_is_tried(over: None) -> None:
    """As the lab is made: nova would go by tcp, and libvirt does not listen."""
    found = json.loads(succeeds("settle", "--json"))
    named = [one for one in found["findings"] if one["check"] == "live-migration"]
    assert {one["where"] for one in named} == {"cmp1", "cmp2"}
    assert {one["severity"] for one in named} == {"info"}
    assert all("16509" in one["message"] for one in named)
    assert found["probes"] == []


def test_the_plan_says_what_will_be_tried() -> None:
    migrations.make(this_lab())
    user = cloud("demo", "demo")
    asked = from_volume.boot(user, user.block_storage.find_volume("from image"))
    user.compute.wait_for_server(asked, wait=servers.BOOTED)
    found = json.loads(succeeds("settle", "--host", "cmp1", "--json"))
    assert not [one for one in found["findings"] if one["check"] == "live-migration"]
    releases = {(one["from"].split()[0], one["to"].split()[0]) for one in found["probes"]}
    assert releases == set(BETWEEN[:2])
    assert {disks(one) for one in found["probes"]} == DISKS


def test_a_volume_that_a_dead_run_has_booted_from_goes_first_in_the_next() -> None:
    """That next is the run of the test after this."""
    child = begun()
    until(child, lambda: bool(roots()), 900)
    child.kill()
    child.wait()
    assert roots() <= {id_ for _, id_ in ours()}


def test_both_ways_between_both_releases_and_nobody_notices() -> None:
    began = time.time()
    told = json.loads(succeeds(*SETTLE, "--json"))
    print(f"cmp1 over in {time.time() - began:.1f} s; pings lost: {lost(began) or 'none'}")
    for one in told["moves"]:
        print(one)
    assert told["done"] == ["cmp1"]
    assert {kind: works(told, kind) for kind in DISKS} == {kind: set(BETWEEN) for kind in DISKS}
    assert not [one for one in told["moves"] if one["how"] == "fails"]
    assert told["unproven"] == {}
    assert ours() == []
    assert roots() == set()
    assert row("cmp1").status == "enabled"
    assert lost(began) == {}


def test_what_was_tried_is_not_tried_again() -> None:
    path = "/os-migrations?migration_type=live-migration"
    before = len(cloud().compute.get(path, microversion=MICROVERSION).json()["migrations"])
    told = json.loads(succeeds(*SETTLE, "--json"))
    assert told["already"] == ["cmp1"]
    assert works(told, ROOT) == set(BETWEEN)
    after = len(cloud().compute.get(path, microversion=MICROVERSION).json()["migrations"])
    assert after == before
    succeeds(*BACK)
    wait_until_old({"cmp1", "cmp2"})


@pytest.mark.parametrize("status", ["BUILD", "MIGRATING"])
def test_killed_with_a_server_of_ours_the_next_run_deletes_it(status: str) -> None:
    child = begun()
    until(child, lambda: status in {one.status for one in mine()}, 600)
    child.kill()
    child.wait()
    assert ours()
    told = json.loads(succeeds(*SETTLE, "--json"))
    assert told["done"] == ["cmp1"]
    assert ours() == []
    assert old() == {"cmp2"}
    succeeds(*BACK)
    wait_until_old({"cmp1", "cmp2"})
    assert ours() == []


def mine() -> list[Any]:
    found = cloud().compute.servers(all_projects=True)
    return [one for one in found if boot.is_ours(one.name)]


def roots() -> set[str]:
    """Ids of volumes of ours that an image is on."""
    found = cloud().block_storage.volumes(all_projects=True, name=boot.VOLUME)
    return {one.id for one in found if one.is_bootable}


def by_hand(*words: str) -> None:
    """The tests whose names have one of *words*, all by default, in a lab that stands."""
    for name, test in list(globals().items()):
        if name.startswith("test_") and (not words or any(word in name for word in words)):
            print(name, flush=True)
            if name == "test_hosts_that_take_no_server_are_named_and_nothing_is_tried":
                test(None)
            elif "killed" in name:
                for status in ("BUILD", "MIGRATING"):
                    test(status)
            else:
                test()
