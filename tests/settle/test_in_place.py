"""Compute hosts of the lab come over in place, under load: killed, gone back from, and for good.

The order of the tests is the order of the day after the cutover; the cloud as a whole goes back at
its end, with one host renewed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from migrate.computes.service import REASON
from migrate.onhost import call
from tests.full.test_pass import STACK, migrate, succeeds
from tests.lab import demo, identity, records, traces
from tests.lab.settings import lab as this_lab
from tests.readme import commands
from tests.settle.hosts import BACK, SETTLE, host, lost, old, row, wait_until_old

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle")]
STEPS = ("environment", "close", "drain", "renew", "proof", "open", "home")


@pytest.fixture(scope="module")
def before(over: None) -> dict[str, Any]:
    """What stands on cmp1 before it is settled."""
    return look()


def look() -> dict[str, Any]:
    return traces.look([host("cmp1")])


def mortal(folder: Path, *argv: str, host: str = "cmp1") -> subprocess.CompletedProcess[str]:
    """The same command, which dies at each boundary of *host*'s steps once."""
    died = folder / "died"
    died.touch()
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.driver", *argv, "--stack", STACK],
        env={**os.environ, "DIE_AT": rf"{host}\..*", "DIED": str(died)},
        text=True,
        check=False,
        capture_output=True,
    )


def test_the_plan_says_what_becomes_of_each_host() -> None:
    found = json.loads(succeeds("settle", "--json"))
    assert {one["host"] for one in found["hosts"]} == {"cmp1", "cmp2"}
    servers = identity.connect(this_lab()).compute.servers(all_projects=True)
    by_host: dict[str, set[str]] = {"cmp1": set(), "cmp2": set()}
    for one in servers:
        by_host[one.compute_host].add(one.id)
    planned = {one["host"]: {each["id"] for each in one["servers"]} for one in found["hosts"]}
    assert planned == by_host
    assert by_host["cmp1"], "no server can notice anything"
    assert old() == {"cmp1", "cmp2"}


def test_the_last_host_is_asked_for_by_name() -> None:
    ended = migrate("settle", "--execute")
    assert ended.returncode == 5
    assert "--past" in ended.stderr
    assert old() == {"cmp1", "cmp2"}


def test_a_host_comes_over_and_no_server_notices(
    before: dict[str, Any], recorded: records.Records
) -> None:
    began = time.time()
    told = json.loads(succeeds(*SETTLE, "--json"))
    print(f"cmp1 over in {time.time() - began:.1f} s, pings lost: {lost(began)}")
    assert told["done"] == ["cmp1"]
    assert old() == {"cmp2"}
    assert row("cmp1").status == "enabled"
    assert lost(began) == {}
    assert records.changes(this_lab(), recorded) == []


def test_again_it_changes_nothing() -> None:
    stood = call(host("cmp1"), "guests.seen"), look()
    told = json.loads(succeeds(*SETTLE, "--json"))
    assert told == {
        **{"done": [], "failed": {}, "already": ["cmp1"]},
        **{"unproven": {}, "moves": []},  # servers do not move in this lab
    }
    assert (call(host("cmp1"), "guests.seen"), look()) == stood


def test_it_goes_back_and_nothing_is_left(
    before: dict[str, Any], recorded: records.Records
) -> None:
    began = time.time()
    succeeds(*BACK)
    print(f"cmp1 back in {time.time() - began:.1f} s, pings lost: {lost(began)}")
    assert traces.differences(before, look()) == []
    wait_until_old({"cmp1", "cmp2"})
    assert row("cmp1").status == "enabled"
    assert lost(began) == {}
    assert records.changes(this_lab(), recorded) == []


def test_killed_at_each_boundary_it_goes_on(tmp_path: Path) -> None:
    for _ in range(3 * len(STEPS)):
        if (ended := mortal(tmp_path, *SETTLE)).returncode == 0:
            break
        assert ended.returncode == -9, ended.stdout + ended.stderr
    died = (tmp_path / "died").read_text().split("\n")[:-1]
    # nobody is to leave, and whoever finds the host open has nobody to bring home
    assert died == [
        f"cmp1.{step} {at}"
        for step in STEPS[:-1]
        for at in ("begun", "unnoted")
        if (step, at) != ("drain", "unnoted")
    ]
    assert old() == {"cmp2"}
    assert row("cmp1").status == "enabled"


def test_killed_at_each_boundary_it_goes_back(before: dict[str, Any], tmp_path: Path) -> None:
    for _ in range(3 * len(STEPS)):
        if (ended := mortal(tmp_path, *BACK)).returncode == 0:
            break
        assert ended.returncode == -9, ended.stdout + ended.stderr
    assert len((tmp_path / "died").read_text().split("\n")[:-1]) == 2 * len(STEPS)
    assert traces.differences(before, look()) == []
    wait_until_old({"cmp1", "cmp2"})


def test_who_closed_a_host_before_keeps_it_closed() -> None:
    admin = identity.connect(this_lab())
    admin.compute.disable_service(row("cmp1").id, disabled_reason="its fan is loud")
    succeeds(*SETTLE)
    assert (row("cmp1").status, row("cmp1").disabled_reason) == ("disabled", "its fan is loud")
    assert REASON not in row("cmp1").disabled_reason
    admin.compute.enable_service(row("cmp1").id)


def test_the_cloud_goes_back_with_one_host_renewed() -> None:
    """`pulumi destroy` puts the host back first; the source is what it was."""
    assert demo.back(this_lab()) == 0


def test_the_readme_names_these_commands() -> None:
    assert [line.split()[:2] for line in commands("settle")] == [["migrate", "settle"]] * 3
