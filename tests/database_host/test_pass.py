"""The whole pass with the database apart: what must happen on its host does, and goes again."""

from __future__ import annotations

import json
import time

import pytest

from migrate.database import connection
from migrate.database.baseline import read_only
from migrate.onhost import call
from tests.faults.bench import STACK, Bench
from tests.faults.state import Picture, differences
from tests.lab import rig as rigs
from tests.rig.test_window import connects, reboot
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_order, pytest.mark.in_set("database-host")]
LIMIT = {"limitSeconds": 90, "drainSeconds": 5}


@pytest.fixture(scope="module")
def found(bench: Bench) -> Picture:
    """All three machines before anything was done."""
    return bench.picture()


def changed(found: Picture, bench: Bench) -> list[str]:
    """What is not as it was; keystone's own cache of entry points comes when it likes."""
    told = differences(found, bench.picture(), "back")
    return [one for one in told if "/.cache/python-entrypoints/" not in one]


def test_the_checks_find_nothing_of_it(bench: Bench, found: Picture) -> None:
    said = bench.run("check").said
    assert not [line for line in said.splitlines() if "database-host" in line], said


def test_over_with_what_was_the_databases(bench: Bench) -> None:
    bench.well("follow")
    source, target = bench.context.source.database, bench.target()
    assert source.name == "rig-db" or source.name.endswith("-db")
    with connection.session(target) as link:
        told = connection.named(link, "SHOW SLAVE STATUS")
    assert told
    assert told[0]["Slave_SQL_Running"] == "Yes"
    assert connects(target, source.address, 22)
    assert not connects(target, source.address, 3306)
    began = time.monotonic()
    bench.well("cutover")
    print(f"cutover: {time.monotonic() - began:.0f} s")
    assert read_only(source)
    assert "0 differ" in bench.well("verify").said
    for path in ("/etc/keystone/keystone.conf", "/etc/glance/glance-api.conf"):
        text = target.read(path)
        assert source.address not in text
        assert f"@{source.name}" not in text
    said = bench.run("status").said
    assert f"source {source.name}: fenced" in said, said


def test_its_host_boots_and_stays_as_it_is(bench: Bench) -> None:
    source = bench.database()
    reboot(source)
    assert waits_for(lambda: call(source, "mariadb.present"))
    assert read_only(source)
    assert call(source, "mariadb.unfenced") == []
    assert bench.serves() == []


def test_nobody_of_it_comes_to_the_targets_database(bench: Bench) -> None:
    assert not connects(bench.database(), rigs.rig().vip, 3306)


def test_back_without_a_trace(bench: Bench, found: Picture) -> None:
    bench.well("rollback")
    assert bench.serves() == []
    assert not read_only(bench.database())
    assert changed(found, bench) == []


def test_an_operator_who_dies_in_the_window_leaves_nothing_closed(
    bench: Bench, found: Picture
) -> None:
    bench.well("follow")
    bench.decide(window=LIMIT)
    bench.dies("cutover", "fence.read-only unnoted")
    context = bench.context
    states = [call(host, "reopen_timer.state")["state"] for host in context.source.core]
    assert states == ["armed", "armed"]
    assert read_only(context.source.database)
    reboot(context.source.database)  # the timer starts with the host, and the fence stays
    assert read_only(bench.database())
    assert waits_for(lambda: reopened(bench), 400)
    assert bench.serves() == []
    opened = [opened_at(bench, one) for one in ("database", "source")]
    assert opened[0] < opened[1]
    bench.well("rollback")
    assert changed(found, bench) == []


def reopened(bench: Bench) -> bool:
    those = bench.context.source.core
    return all(call(one, "reopen_timer.state")["state"] == "reopened" for one in those)


def opened_at(bench: Bench, name: str) -> float:
    """When the timer of *name* was through, by its record."""
    host = bench.database() if name == "database" else bench.source()
    return float(call(host, "record.load", "reopen")["deadline"])


def test_a_window_that_is_killed_in_the_middle_goes_on(bench: Bench) -> None:
    bench.decide()
    bench.well("follow")
    died = bench.folder / "died"
    at = r"(gate\.reopen.*|fence\..*|database\.baseline.*|vip\..*) (begun|unnoted)"
    crashes = bench.crash_through("cutover", die_at=at, died=died)
    assert crashes.failures == []
    print(f"died {len(crashes.deaths)} times: {', '.join(crashes.deaths)}")
    assert read_only(bench.database())
    assert bench.serves() == []
    bench.well("rollback")
    assert bench.serves() == []


def test_a_backup_has_its_data_and_its_files(bench: Bench) -> None:
    bench.well("backup", "--execute")
    kept = rigs.rig().home / "backup" / STACK
    (taken,) = (one for one in kept.iterdir() if one.is_dir())
    manifest = json.loads((taken / "manifest.json").read_text())
    named = {one["name"] for one in manifest["files"]}
    assert {"databases.sql.gz", f"etc/{bench.database().name}.tar.gz"} <= named
