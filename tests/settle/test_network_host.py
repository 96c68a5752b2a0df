"""A host of the lab that only carries network agents comes over in place and goes back, under load.

It has taken over all that the controller's agents carried before `migrate` came; the cloud as a
whole goes back at its end, with that host renewed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.onhost import call
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, migrate, succeeds
from tests.lab import carrier, cloud, demo, load, records, traces
from tests.lab.carrier import NAME
from tests.lab.settings import lab as this_lab
from tests.settle import conftest
from tests.settle.test_agents import LONGEST, carried, longest, servers_of_dhcp
from tests.settle.test_drain import booted
from tests.settle.test_in_place import mortal

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-network")]
SETTLE = ("settle", "--execute", "--host", NAME)
STEPS = ("environment", "note", "renew", "proof")


@pytest.fixture(scope="module", autouse=True)
def over() -> Iterator[None]:
    """As the other sets have it, with one host more; that lab is nobody else's afterwards."""
    demo.remove_cut_off(this_lab())
    cloud.down(this_lab())  # one that was kept has no such host
    with carrier.named():
        try:
            cloud.stand_up(this_lab())
            carrier.add(this_lab())
            demo.over(this_lab())
            load.start(this_lab())
            yield
        finally:
            conftest.clear()  # also of one that was not finished: no stack file would name its host


@pytest.fixture(scope="module")
def before(over: None) -> dict[str, Any]:
    """What stands on it before it is settled."""
    return look()


def host() -> Any:
    (found,) = context_of(STACK).source.network_hosts
    return found


def look() -> dict[str, Any]:
    return traces.look([host()])


def stands() -> Any:
    """Spaces with their addresses and programs, and ports that are wired."""
    return call(host(), "namespaces.standing")


def programs() -> set[str]:
    """Where the programs of its agents come from."""
    names = [f"neutron-{one}-agent" for one in carrier.AGENTS]
    found = call(host(), "exchange.running", names)
    assert set(found) == set(names)
    return {one["program"].rpartition("/")[0] for one in found.values()}


def new() -> bool:
    folders = programs()
    assert len(folders) == 1, folders
    return folders == {context_of(STACK).installation.tools}


def test_it_carries_what_the_controller_did() -> None:
    held = carried()
    assert any(one.startswith("router ") for one in held[NAME])
    assert any(one.startswith("network ") for one in held[NAME])
    assert not new()


def test_it_is_told_beside_compute_hosts_and_is_not_reinstalled() -> None:
    told = json.loads(succeeds("settle", "--json"))
    assert NAME not in {one["host"] for one in told["hosts"]}
    assert [one["where"] for one in told["findings"] if one["check"] == "network-hosts"] == [NAME]
    ended = migrate(*SETTLE, "--by", "reinstall")
    assert ended.returncode != 0
    assert f"{NAME} only carries network agents, and comes over in place" in ended.stderr
    assert not new()


def test_finish_is_refused_until_it_is_new() -> None:
    ended = migrate("finish", "--json")
    assert ended.returncode == 3, ended.stderr
    told = [one for one in json.loads(ended.stdout)["findings"] if one["where"] == NAME]
    assert ["network agents are of the old release" in one["message"] for one in told] == [True]


def test_it_comes_over_and_carries_what_it_did(
    before: dict[str, Any], recorded: records.Records
) -> None:
    held, dhcp, stood, began = carried()[NAME], servers_of_dhcp(), stands(), time.time()
    told = json.loads(succeeds(*SETTLE, "--json"))
    print(f"{NAME} over in {time.time() - began:.1f} s, silences {longest(began)}")
    assert told == {"done": [NAME], "already": []}
    assert new()
    assert carried()[NAME] >= held
    assert servers_of_dhcp() >= dhcp
    assert stands() == stood
    assert max(longest(began).values()) <= LONGEST
    assert records.changes(this_lab(), recorded) == []


def test_a_new_server_gets_its_address_there() -> None:
    """From the DHCP server that the new agent has started."""
    with booted("anything") as one:
        assert one.address


def test_again_it_changes_nothing() -> None:
    stood = stands(), look()
    assert json.loads(succeeds(*SETTLE, "--json")) == {"done": [], "already": [NAME]}
    assert (stands(), look()) == stood


def test_it_goes_back_and_nothing_is_left(
    before: dict[str, Any], recorded: records.Records
) -> None:
    stood, began = stands(), time.time()
    succeeds(*SETTLE, "--back")
    print(f"{NAME} back in {time.time() - began:.1f} s, silences {longest(began)}")
    assert not new()
    assert stands() == stood
    assert traces.differences(before, look()) == []
    assert max(longest(began).values()) <= LONGEST
    assert records.changes(this_lab(), recorded) == []


def test_killed_at_each_boundary_it_goes_on(tmp_path: Path) -> None:
    for _ in range(3 * len(STEPS)):
        if (ended := mortal(tmp_path, *SETTLE, host=NAME)).returncode == 0:
            break
        assert ended.returncode == -9, ended.stdout + ended.stderr
    died = (tmp_path / "died").read_text().split("\n")[:-1]
    assert died == [f"{NAME}.{step} {at}" for step in STEPS for at in ("begun", "unnoted")]
    assert new()


def test_killed_at_each_boundary_it_goes_back(
    before: dict[str, Any], recorded: records.Records, tmp_path: Path
) -> None:
    for _ in range(3 * len(STEPS)):
        if (ended := mortal(tmp_path, *SETTLE, "--back", host=NAME)).returncode == 0:
            break
        assert ended.returncode == -9, ended.stdout + ended.stderr
    assert len((tmp_path / "died").read_text().split("\n")[:-1]) == 2 * len(STEPS)
    assert not new()
    assert traces.differences(before, look()) == []
    assert records.changes(this_lab(), recorded) == []


def test_the_cloud_goes_back_with_it_renewed() -> None:
    """`pulumi destroy` puts it back first; the source is what it was, this host too."""
    succeeds(*SETTLE)
    assert demo.back(this_lab()) == 0
    assert not new()
