"""All of the old release comes over in one pass: a host reinstalled, the last in place, agents.

What the cloud has on record of servers and hosts is the same after it, and the report tells how
many pings each host's turn has cost.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from migrate.cloud import settings, wait
from migrate.computes import versions
from migrate.phases.session import context_of
from tests.full.test_pass import STACK, succeeds
from tests.lab import load, records
from tests.lab.settings import lab as this_lab
from tests.settle import bridge
from tests.settle.hosts import decided
from tests.settle.test_drain import LOST
from tests.settle.test_finish import AGENT_DOWN_SECONDS, FINISH, errors, silent
from tests.settle.test_reinstall import kept, prepare

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-whole")]
ONE = ("settle", "--execute", "--canary", "0", "--host")


def told() -> dict[str, Any]:
    """By host, what the report says of its turn."""
    report = json.loads((settings.home(STACK) / "report.json").read_text())
    return {one["host"]: one for one in report["settled"]["hosts"]}


def test_one_by_a_reinstall_and_the_last_in_place() -> None:
    bridge.make(this_lab())
    prepare()
    before = records.dump(this_lab())
    with decided(home=True, watch=load.addresses(this_lab())):
        succeeds(*ONE, "cmp1", "--by", "reinstall")
        succeeds(*ONE, "cmp2", "--past", "cmp2")
    assert versions.read(context_of(STACK)).old == set()
    # a port is ACTIVE again when its agent has said so
    assert not wait.while_any(
        lambda: records.differences(before, records.dump(this_lab())), 120, pause=3
    )


def test_the_report_tells_what_each_host_s_turn_has_cost() -> None:
    found = told()
    for name, one in found.items():
        print(name, one["seconds"], one["steps"], one["pings"], one["moved"])
    assert found["cmp2"]["pings"] == {"lost": 0, "servers": {}, "whole": True}
    assert found["cmp1"]["pings"]["whole"]
    assert found["cmp1"]["moved"]
    assert found["cmp1"]["pings"]["lost"] <= LOST * len(found["cmp1"]["moved"])


def test_agents_come_over_and_nothing_forbids_the_end() -> None:
    succeeds("settle", "--agents", "--execute")
    succeeds("accept", "--execute")
    assert wait.while_any(errors, AGENT_DOWN_SECONDS, pause=5) == []


def test_it_is_finished_and_nothing_of_the_way_back_is_kept() -> None:
    assert kept()
    ended = json.loads(succeeds(*FINISH, "--json"))
    assert ended["released"] == [this_lab().controller]
    assert not kept()
    assert silent() == []


def test_a_server_answers_from_each_host() -> None:
    for address in load.addresses(this_lab()):
        subprocess.run(["ping", "-qc3", "-W2", address], check=True)
