"""The cloud goes back from the middle: one host reinstalled, agents over, the other host old.

Whoever makes hosts anew fails first, and the way back of the host is killed at each boundary.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.cloud import settings, wait
from migrate.computes.service import REASON
from tests.full.test_pass import STACK, migrate, succeeds
from tests.lab import cloud, demo, load, records
from tests.lab.settings import lab as this_lab
from tests.readme import commands
from tests.settle import bridge, migrations
from tests.settle.hosts import BACK, decided, old, row, wait_until_old
from tests.settle.test_finish import silent
from tests.settle.test_in_place import mortal
from tests.settle.test_reinstall import SETTLE, STEPS, kept, prepare

pytestmark = [pytest.mark.lab, pytest.mark.in_order, pytest.mark.in_set("settle-middle")]
COMMAND = "command: [python, -m, tests.lab, reinstall]"


def of_controllers(line: str) -> bool:
    """Services that come and go with the side that serves, and what agents there carry."""
    return any(one in line for one in (this_lab().controller, this_lab().target))


def test_a_command_that_fails_leaves_the_host_closed_and_its_servers_alive() -> None:
    bridge.make(this_lab())
    prepare()
    file = settings.stack_file(STACK)
    text = file.read_text()
    assert COMMAND in text
    file.write_text(text.replace(COMMAND, 'command: ["false"]'))
    try:
        with decided(home=True):
            ended = migrate(*SETTLE)
    finally:
        file.write_text(text)
    assert ended.returncode == 4, ended.stderr
    assert row("cmp1").disabled_reason == REASON
    assert old() == {"cmp1", "cmp2"}
    assert silent() == []


def test_the_same_goes_on_once_it_does_its_work_and_agents_come_over() -> None:
    with decided(home=True):
        succeeds(*SETTLE)
    assert row("cmp1").status == "enabled"
    succeeds("settle", "--agents", "--execute")
    assert old() == {"cmp2"}


def test_killed_at_each_boundary_the_host_goes_back(tmp_path: Path) -> None:
    before = records.dump(this_lab())
    with decided(home=True):
        for _ in range(3 * len(STEPS)):
            if (ended := mortal(tmp_path, *BACK)).returncode == 0:
                break
            assert ended.returncode == -9, ended.stdout + ended.stderr
    assert ended.returncode == 0
    died = (tmp_path / "died").read_text().split("\n")[:-1]
    print(died)
    assert {one.split()[0].partition(".")[2] for one in died} >= {"close", "keep", "reinstall"}
    wait_until_old({"cmp1", "cmp2"})
    assert not kept()
    assert records.changes(this_lab(), before, of_controllers) == []


def test_the_whole_goes_back_with_its_agents_over() -> None:
    """A fresh system has files of its own: of cmp1 the cloud's record is compared, not those."""
    before = records.dump(this_lab())
    migrations.remove(this_lab())
    for line in commands("back"):
        demo.run(line)
    load.stop(this_lab())
    found = demo.Papers(this_lab()).compare_after()
    problems = [one for one in found if not one.startswith("cmp1 ")]
    assert problems == []
    assert cloud.silent_apis(this_lab()) == []
    assert records.changes(this_lab(), before, of_controllers) == []
    assert wait.while_any(silent, 120, pause=5) == []
