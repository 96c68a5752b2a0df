"""Whether the target's databases can follow the source's, by what both servers say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrate.checks import database
from migrate.database.replication import cost, facts, state
from migrate.engine.finding import Severity

SOURCE = facts.Facts(
    version="11.8.6-MariaDB-0+deb13u1-log",
    server_id=11,
    log_bin=True,
    binlog_format="ROW",
    binlog_row_image="FULL",
    gtid_domain_id=0,
    gtid_binlog_pos="0-11-55",
    log_slave_updates=True,
    expires=3 * 86400,
)
TARGET = replace(SOURCE, server_id=167772165, gtid_domain_id=20261, gtid_binlog_pos="")


def test_a_source_with_whole_rows_is_followed() -> None:
    assert facts.obstacles(SOURCE, TARGET) == []
    assert not facts.forbidding(SOURCE, TARGET)
    older = replace(SOURCE, version="10.11.14-MariaDB-0+deb12u2-log")
    assert not facts.forbidding(older, TARGET)
    assert facts.forbidding(SOURCE, replace(TARGET, version=older.version))


@pytest.mark.parametrize(
    ("changed", "message", "remedy"),
    [
        (
            {"log_bin": False, "gtid_binlog_pos": ""},
            "binary log is off",
            "log_bin = binlog, binlog_format = ROW, binlog_row_image = FULL",
        ),
        ({"binlog_format": "MIXED"}, "is MIXED", "binlog_format = ROW"),
        ({"binlog_format": "STATEMENT"}, "is STATEMENT", "a restart of the source's server"),
        ({"binlog_row_image": "MINIMAL"}, "holds MINIMAL rows", "binlog_row_image = FULL"),
        ({"binlog_row_image": "FULL_NODUP"}, "holds FULL_NODUP rows", "binlog_row_image = FULL"),
        ({"gtid_binlog_pos": ""}, "no GTID yet", "Any write"),
        ({"filters": ("binlog_do_db = nova",)}, "(binlog_do_db = nova)", "Remove these lines"),
        (
            {"follows": ("db0",), "log_slave_updates": False},
            "follows db0 and does not log",
            "log_slave_updates = ON",
        ),
        ({"version": "10.6.22-MariaDB-log"}, "a MariaDB 10.6 is not", "10.11 or 11.8 in place"),
        ({"server_id": TARGET.server_id}, "same server_id", "SET GLOBAL server_id = 167772166"),
        ({"gtid_domain_id": 20261}, "gtid_domain_id 20261", "SET GLOBAL gtid_domain_id = 20262"),
        (
            {"gtid_binlog_pos": "0-11-55,20261-7-3"},  # the target of another move, not its own
            "gtid_domain_id 20261 is in use on the source",
            "SET GLOBAL gtid_domain_id = 20262",
        ),
    ],
)
def test_what_forbids_to_follow(changed: dict[str, object], message: str, remedy: str) -> None:
    source = replace(SOURCE, **changed)  # type: ignore[arg-type]
    (told,) = facts.obstacles(source, TARGET)
    assert message in told.message
    assert remedy in told.remedy
    assert told.forbids
    assert facts.forbidding(source, TARGET)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"follows": ("db0",)}, "follows db0: what comes from there is followed too"),
        ({"expires": 1800}, "for 1800 s"),
        ({"expires": 0, "log_bytes": 3_400_000_000}, "nothing removes"),
        ({"total_size": 100_000_000}, "no more than 100 MB"),
        ({"needed_for_purge": 1, "log_bytes": 2_000_000_000}, "fewer than 1 replicas"),
    ],
)
def test_what_is_told_of_a_source_that_is_followed(
    changed: dict[str, object], message: str
) -> None:
    source = replace(SOURCE, **changed)  # type: ignore[arg-type]
    (told,) = facts.obstacles(source, TARGET)
    assert message in told.message
    assert not told.forbids
    assert not facts.forbidding(source, TARGET)


def test_a_target_on_which_events_would_run_does_not_follow() -> None:
    (told,) = facts.obstacles(SOURCE, replace(TARGET, event_scheduler=True))
    assert "event scheduler is on" in told.message
    assert "SET GLOBAL event_scheduler = OFF" in told.remedy
    assert "option file" in told.remedy
    assert told.forbids
    assert facts.obstacles(replace(SOURCE, event_scheduler=True), TARGET) == []


def test_everything_is_told_at_once() -> None:
    source = replace(SOURCE, binlog_format="MIXED", binlog_row_image="MINIMAL", server_id=1)
    assert len(facts.obstacles(source, replace(TARGET, server_id=1))) == 3


def test_without_a_target_the_source_alone_is_judged() -> None:
    assert facts.obstacles(SOURCE, None) == []
    assert len(facts.obstacles(replace(SOURCE, log_bin=False), None)) == 1


def test_a_log_that_is_off_is_told_once() -> None:
    """MariaDB's defaults of the rest matter only once it is on: its remedy names them all."""
    off = replace(SOURCE, log_bin=False, binlog_format="MIXED", gtid_binlog_pos="", expires=0)
    assert [one.message for one in facts.obstacles(off, TARGET)] == [
        "the source's binary log is off"
    ]


def test_a_source_that_is_not_followed_is_warned_of_with_what_it_costs() -> None:
    found = facts.obstacles(replace(SOURCE, binlog_format="MIXED"), TARGET)
    (told,) = database.not_followed(found, 7_650_000_000)
    assert told.severity is Severity.WARNING  # the way stays open
    assert "MIXED" in told.message
    assert "the target cannot follow by replication" in told.message
    assert "binlog_format = ROW, binlog_row_image = FULL" in told.remedy
    assert "a restart of the source's server" in told.remedy
    assert "7.7 GB would be compared" in told.remedy
    assert "up to about 417 s" in told.remedy


def test_a_source_that_is_followed_costs_nothing() -> None:
    assert [*database.not_followed(facts.obstacles(SOURCE, TARGET), 7_650_000_000)] == []
    short = facts.obstacles(replace(SOURCE, expires=60), TARGET)
    (told,) = database.not_followed(short, 7_650_000_000)
    assert told.severity is Severity.WARNING
    assert "GB" not in str(told)


def test_the_estimate_is_what_was_measured() -> None:
    assert cost.seconds(300_000 * 255) == pytest.approx(4.17)
    assert cost.seconds(0) == 0


def test_logs_that_wait_for_a_replica_do_harm_only_where_the_disk_is_nearly_full() -> None:
    found = facts.obstacles(replace(SOURCE, needed_for_purge=1), TARGET)
    (told,) = database.not_followed(found, 0)
    assert told.severity is Severity.INFO
    (told,) = database.not_followed(found, 0, lambda: "the disk has 12 MiB left")
    assert told.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("found", "parted"),
    [
        ({"Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes"}, False),
        ({"Slave_IO_Running": "Connecting", "Last_IO_Errno": "2003"}, False),
        # all was sent until a position, and is applied still
        ({"Slave_IO_Running": "No", "Last_IO_Errno": "0", "Slave_SQL_Running": "Yes"}, False),
        ({"Slave_IO_Running": "No", "Last_IO_Errno": "1236", "Slave_SQL_Running": "Yes"}, True),
        ({"Slave_IO_Running": "Yes", "Slave_SQL_Running": "No"}, True),
    ],
)
def test_what_has_given_up(found: dict[str, str], parted: bool) -> None:
    assert state.parted(found) == parted
