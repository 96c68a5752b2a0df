"""The cloud goes back from the middle: one host reinstalled, agents over, the other host old."""

from __future__ import annotations

import pytest

from migrate.cloud import wait
from tests.full.test_pass import succeeds
from tests.lab import cloud, demo, load, records
from tests.lab.settings import lab as this_lab
from tests.readme import commands
from tests.settle import bridge, migrations
from tests.settle.hosts import BACK, decided, old, wait_until_old
from tests.settle.test_finish import silent
from tests.settle.test_reinstall import SETTLE, kept, prepare

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-middle")]


def test_one_host_is_reinstalled_and_agents_are_over() -> None:
    bridge.make(this_lab())
    prepare()
    with decided(home=True):
        succeeds(*SETTLE)
    succeeds("settle", "--agents", "--execute")
    assert old() == {"cmp2"}


def test_the_host_is_put_back_and_then_the_whole() -> None:
    """A fresh system has files of its own: of cmp1 the cloud's record is compared, not those."""
    before = records.dump(this_lab())
    with decided(home=True):
        succeeds(*BACK)
    wait_until_old({"cmp1", "cmp2"})
    assert not kept()
    migrations.remove(this_lab())
    for line in commands("back"):
        demo.run(line)
    load.stop(this_lab())
    found = demo.Papers(this_lab()).compare_after()
    problems = [one for one in found if not one.startswith("cmp1 ")]
    assert problems == []
    assert cloud.silent_apis(this_lab()) == []
    assert not wait.while_any(
        lambda: records.differences(before, records.dump(this_lab())), 120, pause=3
    )
    assert wait.while_any(silent, 120, pause=5) == []
