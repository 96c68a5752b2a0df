"""A compute host of the lab that has come over gets newer pins of its release, and goes back.

With a command that boots it, its servers leave first, and come home.

The controllers' newer lock is made of theirs: one distribution that tells only its version has a
higher one there, and their stamp says so, as after a `pulumi up`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import wait
from migrate.onhost import call
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, migrate, succeeds
from tests.lab import cloud
from tests.lab.settings import lab as this_lab
from tests.settle import migrations
from tests.settle.hosts import SETTLE, decided, host, lost, row
from tests.settle.test_drain import Pings, booted
from tests.settle.test_in_place import mortal
from tests.settle.test_reinstall import booted_as

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-update")]
UPDATE = ("settle", "--update", "--execute", "--host", "cmp1", "--canary", "0")
BACK = ("settle", "--update", "--back", "--execute", "--host", "cmp1")
STEPS = ("bring", "close", "drain", "exchange", "proof", "open", "home")
NEWER = """
folder=$(ls -d "$1"/lib/python3*/site-packages/nova-*.dist-info)
version=${folder##*/nova-}; version=${version%.dist-info}
sed -i "s/^Version: .*/Version: $version.1/" "$folder/METADATA"
mv "$folder" "${folder%.dist-info}.1.dist-info"
printf 'newer\\n' >"$1/.sidestep-lock"
sleep 1  # since when a process runs is known to the second
"""


@pytest.fixture(scope="module")
def newer(over: None) -> None:
    """cmp1 has come over, and then the controllers were updated."""
    migrations.make(this_lab())
    succeeds(*SETTLE)
    context = context_of(STACK)
    for one in context.target.controllers:
        one.shell(NEWER, context.installation.folder)
        names = [unit.unit for recipe in context.recipes for unit in recipe.units]
        found = call(one, "update.outdated", names, f"{context.installation.folder}/.sidestep-lock")
        one.run("systemctl", "restart", *found, timeout=300)
    wait.while_any(lambda: cloud.silent_apis(this_lab()), 300, pause=1)


def stamps() -> dict[str, str]:
    found: dict[str, str] = call(
        host("cmp1"), "update.stamps", context_of(STACK).installation.folder
    )
    return found


@pytest.fixture(scope="module")
def before(newer: None) -> str:
    """The lock that cmp1 came over with."""
    return stamps()["runs"]


def test_the_plan_says_from_which_lock_to_which(before: str) -> None:
    told = json.loads(succeeds("settle", "--update", "--host", "cmp1", "--json"))
    assert any(f"from lock {before} to newer" in one["message"] for one in told["findings"])
    assert stamps()["runs"] == before


def test_a_host_of_the_old_release_is_refused(newer: None) -> None:
    ended = migrate("settle", "--update", "--host", "cmp2")
    assert ended.returncode == 3
    assert "within a release" in ended.stdout + ended.stderr


def test_it_is_updated_and_no_server_notices(before: str) -> None:
    began = time.time()
    told = json.loads(succeeds(*UPDATE, "--json"))
    print(f"cmp1 updated in {time.time() - began:.1f} s, pings lost: {lost(began)}")
    assert told["done"] == ["cmp1"]
    assert stamps() == {"runs": "newer", "beside": before}
    assert row("cmp1").status == "enabled"
    assert lost(began) == {}


def test_again_it_is_done_already(before: str) -> None:
    stood: Any = call(host("cmp1"), "guests.seen")
    assert json.loads(succeeds(*UPDATE, "--json"))["already"] == ["cmp1"]
    assert call(host("cmp1"), "guests.seen") == stood


def test_the_version_before_is_back_in_seconds(before: str) -> None:
    began = time.time()
    succeeds(*BACK)
    print(f"cmp1 back in {time.time() - began:.1f} s, pings lost: {lost(began)}")
    assert stamps() == {"runs": before, "beside": "newer"}
    assert row("cmp1").status == "enabled"
    assert lost(began) == {}


def test_killed_at_each_boundary_it_goes_on_and_back(before: str, tmp_path: Path) -> None:
    for argv in (UPDATE, BACK):
        for _ in range(3 * len(STEPS)):
            folder = tmp_path / argv[2].strip("-")
            folder.mkdir(exist_ok=True)
            if (ended := mortal(folder, *argv)).returncode == 0:
                break
            assert ended.returncode == -9, ended.stdout + ended.stderr
        assert row("cmp1").status == "enabled"
    assert stamps()["runs"] == before


def test_with_a_boot_servers_leave_first_and_come_home(before: str) -> None:
    boots = {"command": [sys.executable, "-m", "tests.lab", "boot"]}
    with decided(update=boots, home=True), booted("live") as server:
        was, began = booted_as(), time.time()
        with Pings(server.address) as pings:
            told = json.loads(succeeds(*UPDATE, "--json"))
        print(f"cmp1 updated and booted in {time.time() - began:.1f} s, there and home: {pings}")
        print(f"servers of the load: {lost(began) or 'no ping lost'}")
        assert told["done"] == ["cmp1"]
        assert stamps() == {"runs": "newer", "beside": before}
        assert row("cmp1").status == "enabled"
        assert (boot := booted_as()) != was
        assert server.moves == [("cmp1", "cmp2", "completed"), ("cmp2", "cmp1", "completed")]
        assert json.loads(succeeds(*UPDATE, "--json"))["already"] == ["cmp1"]
        began = time.time()
        succeeds(*BACK)
        print(f"cmp1 back in {time.time() - began:.1f} s, pings lost: {lost(began)}")
        assert stamps() == {"runs": before, "beside": "newer"}
        assert booted_as() == boot
        assert len(server.moves) == 2
        assert lost(began) == {}


def test_the_host_goes_back_to_the_old_release_with_both(before: str) -> None:
    succeeds(*UPDATE)
    succeeds("settle", "--execute", "--host", "cmp1", "--back")
    assert not host("cmp1").exists(f"{context_of(STACK).installation.folder}.beside")
