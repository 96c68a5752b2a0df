"""The whole pass with databases on two servers: both are followed, fenced, moved, given back."""

from __future__ import annotations

import time

import pytest

from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.baseline import read_only
from migrate.database.replication import account
from migrate.onhost import call
from tests.faults.bench import Bench
from tests.faults.state import Picture, differences
from tests.lab import rig as rigs
from tests.rig.test_window import connects, reboot
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_order, pytest.mark.in_set("database-servers")]
LIMIT = {"limitSeconds": 90, "drainSeconds": 5}


@pytest.fixture(scope="module")
def found(bench: Bench) -> Picture:
    """All four machines before anything was done."""
    return bench.picture()


def changed(found: Picture, bench: Bench) -> list[str]:
    """What is not as it was; keystone's own cache of entry points comes when it likes."""
    told = differences(found, bench.picture(), "back")
    return [one for one in told if "/.cache/python-entrypoints/" not in one]


def both(bench: Bench) -> tuple[Host, ...]:
    return bench.context.source.databases


def test_the_checks_find_nothing_of_it(bench: Bench, found: Picture) -> None:
    said = bench.run("check").said
    assert not [line for line in said.splitlines() if "database-host" in line], said
    assert "cannot follow" not in said


def test_over_with_what_was_on_both(bench: Bench) -> None:
    bench.well("follow")
    target = bench.target()
    with connection.session(target) as link:
        told = connection.named(link, "SHOW ALL SLAVES STATUS")
    assert [one["Slave_SQL_Running"] for one in told] == ["Yes", "Yes"]
    said = bench.run("status").said
    first, second = (host.name for host in both(bench))
    assert f"databases: followed, {first}: " in said
    assert f"; {second}: " in said
    for host in both(bench):
        assert not connects(target, host.address, 3306)
    began = time.monotonic()
    bench.well("cutover")
    print(f"cutover: {time.monotonic() - began:.0f} s")
    assert all(map(read_only, both(bench)))
    assert "0 differ" in bench.well("verify").said
    for path in ("/etc/keystone/keystone.conf", "/etc/glance/glance-api.conf"):
        text = target.read(path)
        assert not [one for one in both(bench) if one.address in text or f"@{one.name}" in text]
    said = bench.run("status").said
    for host in both(bench):
        assert f"source {host.name}: fenced" in said, said


def test_their_hosts_boot_and_stay_as_they_are(bench: Bench) -> None:
    source = both(bench)[1]
    reboot(source)
    assert waits_for(lambda: call(source, "mariadb.present"))
    assert read_only(source)
    assert call(source, "mariadb.unfenced") == []
    assert bench.serves() == []


def test_nobody_of_them_comes_to_the_targets_database(bench: Bench) -> None:
    assert not [one for one in both(bench) if connects(one, rigs.rig().vip, 3306)]


def test_back_without_a_trace(bench: Bench, found: Picture) -> None:
    bench.well("rollback")
    assert bench.serves() == []
    assert not any(map(read_only, both(bench)))
    assert changed(found, bench) == []


def test_an_operator_who_dies_in_the_window_leaves_nothing_closed(
    bench: Bench, found: Picture
) -> None:
    bench.well("follow")
    bench.decide(window=LIMIT)
    bench.dies("cutover", "fence.read-only unnoted")
    states = [call(host, "reopen_timer.state")["state"] for host in bench.context.source.core]
    assert states == ["armed"] * 3
    assert all(map(read_only, both(bench)))
    assert waits_for(lambda: reopened(bench), 400)
    assert bench.serves() == []
    controller, *databases = map(opened_at, bench.context.source.core)
    assert max(databases) < controller
    bench.well("rollback")
    assert changed(found, bench) == []


def reopened(bench: Bench) -> bool:
    those = bench.context.source.core
    return all(call(one, "reopen_timer.state")["state"] == "reopened" for one in those)


def opened_at(host: Host) -> float:
    """When the timer of *host* was through, by its record."""
    return float(call(host, "record.load", "reopen")["deadline"])


def test_the_end_leaves_them_fenced_and_nothing_else_of_ours(bench: Bench) -> None:
    bench.decide()
    for command in ("follow", "cutover"):
        bench.well(command)
    bench.well("verify")
    bench.well("backup", "--execute")
    bench.well("finish", "--execute", "--past", "finish.mark")
    for host in both(bench):
        assert call(host, "mariadb.unfenced") == []
        assert account.left(host) == []
        assert call(host, "reopen_timer.state")["state"] == "absent"
        assert host.run("ls", "/var/lib/migrate").split() == ["database.json"]
