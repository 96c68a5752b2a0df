"""Both sides proven equal at one instant while the source is written to; a difference is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from migrate.cloud import Context, transfer
from migrate.database import baseline, compare, connection, copy, ownership, rows
from migrate.database.replication import log, proven, proving, replica
from migrate.errors import StepError
from tests.statements import sql
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("replica")]
MANY = 50_000
MADE = (
    "CREATE TABLE keystone.wide (id INT PRIMARY KEY, f FLOAT, t VARCHAR(40), KEY t (t))",
    f"INSERT INTO keystone.wide SELECT seq, seq MOD 100 / 8, CONCAT('row ', seq) "
    f"FROM keystone.seq_1_to_{MANY}",
    "CREATE TABLE keystone.bare (a INT, b TEXT)",
    "INSERT INTO keystone.bare VALUES (1, 'x'), (1, 'x'), (2, 'y')",
    "CREATE TABLE keystone.parent (id INT PRIMARY KEY, t TEXT)",
    "INSERT INTO keystone.parent VALUES (1, 'a'), (2, 'b')",
    "CREATE TABLE keystone.child (id INT PRIMARY KEY, p INT, "
    "FOREIGN KEY (p) REFERENCES keystone.parent (id) ON DELETE CASCADE)",
    "INSERT INTO keystone.child VALUES (1, 1), (2, 2)",
    "CREATE TABLE keystone.pairs (a VARCHAR(20), b BIGINT UNSIGNED, t TEXT, PRIMARY KEY (a, b))",
    "INSERT INTO keystone.pairs VALUES ('it\\\\s', 18446744073709551615, 'p')",
    "CREATE TABLE keystone.numbered (id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE)",
    "INSERT INTO keystone.numbered (u) VALUES (1)",
    "CREATE VIEW keystone.seen AS SELECT id FROM keystone.wide",
)


@pytest.fixture(scope="module", autouse=True)
def _followed(context: Context) -> Iterator[None]:
    transfer.allow(context)
    sql(context.source.database, *MADE)
    replica.seed(context)
    replica.begin(context)
    assert not proving.proved(context)
    proving.prove(context)
    assert proving.proved(context)
    yield
    replica.end(context)
    proven.forget(context)
    ownership.discard(context)
    transfer.forbid(context)


@contextmanager
def written(context: Context) -> Iterator[None]:
    """The source is written to without pause."""
    ended = threading.Event()

    def write() -> None:
        with connection.session(context.source.database) as link:
            for number in count(1):
                if ended.is_set():
                    return
                connection.rows(
                    link,
                    "UPDATE keystone.wide SET t = %s WHERE id = %s",
                    f"w{number}",
                    number % MANY,
                )
                connection.rows(link, "INSERT INTO keystone.bare VALUES (3, 'z')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


def known(context: Context) -> tuple[set[str], set[str]]:
    """Tables that a proof made now need not read, and those of which it reads some rows."""
    with connection.session(context.source.database) as link:
        place = log.now(link)
    found = proven.since(context, {context.source.database.name: place})
    assert found
    return set(found.carried), set(found.keys)


def test_again_and_again_while_it_is_written_to(context: Context) -> None:
    with written(context):
        for _ in range(3):
            proving.prove(context)
        assert waits_for(lambda: "keystone.wide" in known(context)[1])
        carried, _ = known(context)
    assert "keystone.bare" not in carried
    assert "keystone.parent" in carried
    assert replica.follows(context)


def test_what_the_log_names_is_all_that_is_read(context: Context) -> None:
    source = context.source.database
    proving.prove(context)
    assert known(context)[1] == set()
    sql(
        source, "UPDATE keystone.pairs SET t = 'q'", "UPDATE keystone.wide SET t = 'n' WHERE id = 7"
    )
    carried, keys = known(context)
    assert keys == {"keystone.wide"}  # a key with a backslash is told ambiguously
    assert "keystone.wide" in carried
    assert "keystone.pairs" not in carried
    proving.prove(context)


def test_rows_that_go_with_others_are_in_no_log(context: Context) -> None:
    """The server takes them away itself: their table is read whole."""
    proving.prove(context)
    sql(context.source.database, "DELETE FROM keystone.parent WHERE id = 1")
    carried, keys = known(context)
    assert "keystone.parent" in keys
    assert "keystone.child" not in carried
    proving.prove(context)
    assert sql(context.target.database, "SELECT id FROM keystone.child") == [(2,)]


def test_a_statement_makes_it_read_all(context: Context) -> None:
    source = context.source.database
    proving.prove(context)
    sql(source, "ALTER TABLE keystone.numbered ADD COLUMN more INT")
    with connection.session(source) as link:
        place = log.now(link)
    assert proven.since(context, {source.name: place}) is None
    proving.prove(context)
    assert known(context)[1] == set()


PLANTED = [
    ("UPDATE keystone.wide SET t = 'planted' WHERE id IN (5, 9)", "2 rows, id from 5 to 9"),
    ("UPDATE keystone.wide SET f = 123.45679 WHERE id = 864", "1 rows, id from 864 to 864"),
    ("DELETE FROM keystone.bare WHERE a = 2", "1 rows without a key"),
    ("ALTER TABLE keystone.wide DROP KEY t", "index of keystone.wide.t: only on the source"),
    (
        "ALTER TABLE keystone.wide MODIFY t VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "column of keystone.wide.t",
    ),
    (
        "CREATE TRIGGER keystone.planted BEFORE INSERT ON keystone.bare FOR EACH ROW SET NEW.a = 1",
        "trigger of keystone.planted: only on the target",
    ),
    (
        "CREATE OR REPLACE VIEW keystone.seen AS SELECT t FROM keystone.wide",
        "view of keystone.seen",
    ),
    ("GRANT SELECT ON mysql.* TO keystone@'%'", "grant of 'keystone'@'%': only on the target"),
]


@pytest.mark.parametrize(("planted", "told"), PLANTED, ids=[told[:24] for _, told in PLANTED])
def test_a_difference_is_told(context: Context, planted: str, told: str) -> None:
    """Found although no log of the source names it: rows that are named, too, by the first read."""
    sql(context.target.database, planted)
    proven.forget(context)  # what the target's own root does to it is no event of the source's
    with pytest.raises(StepError) as error:
        proving.prove(context)
    assert told in str(error.value)
    assert not replica.follows(context)
    if planted.startswith("GRANT"):  # accounts are nothing that is seeded
        sql(context.target.database, "REVOKE SELECT ON mysql.* FROM keystone@'%'")
    replica.begin(context)
    proving.prove(context)


def test_a_row_that_the_log_names_and_that_differs(context: Context) -> None:
    source, target = context.source.database, context.target.database
    proving.prove(context)
    with replica.paused(context) as come:
        sql(source, "UPDATE keystone.wide SET t = 'named' WHERE id = 11")
        with connection.session(source) as link:
            come(replica.position(link))
        sql(target, "UPDATE keystone.wide SET t = 'other' WHERE id = 11")
    with pytest.raises(StepError, match="1 rows, id from 11 to 11"):
        proving.prove(context)
    replica.begin(context)
    proving.prove(context)


def test_a_target_that_a_killed_run_left_standing_still_goes_on(context: Context) -> None:
    proving.prove(context)
    sql(context.target.database, "STOP SLAVE")
    assert not proving.proved(context)
    proving.prove(context)
    assert proving.proved(context)
    assert replica.follows(context)


def test_a_row_that_no_statement_could_hold_has_a_name_of_its_own(context: Context) -> None:
    """A server gives NULL for what is longer than that, also of rows that differ."""
    source, half = context.source.database, 9 * 2**20
    sql(
        source,
        "CREATE TABLE keystone.huge (id INT PRIMARY KEY, a LONGTEXT, b LONGTEXT, t TIMESTAMP NULL)",
        f"INSERT INTO keystone.huge VALUES (1, REPEAT('a', {half}), NULL, '2026-01-01')",
        f"UPDATE keystone.huge SET b = REPEAT('b', {half})",
    )

    def named(zone: str) -> str:
        with connection.session(source) as link:
            (shown,) = connection.rows(link, "SHOW CREATE TABLE keystone.huge")
            connection.rows(link, "SET time_zone = %s", zone)
            try:
                return rows.digest(link, "keystone.huge", shown[1], [[1]])
            finally:
                connection.rows(link, "SET time_zone = DEFAULT")

    before = named("+00:00")
    assert named("+05:00") == before
    sql(source, "UPDATE keystone.huge SET b = CONCAT(b, 'c')")
    assert named("+00:00") != before
    sql(source, "DROP TABLE keystone.huge")


def test_the_window_reads_what_the_log_names(context: Context) -> None:
    source, target = context.source.database, context.target.database
    proving.prove(context)
    sql(source, "UPDATE keystone.wide SET t = 'late' WHERE id = 3")
    with connection.session(source) as link:  # a number that is given away and rolled back
        connection.rows(link, "INSERT IGNORE INTO keystone.numbered (u) VALUES (1)")
    sql(source, "SET GLOBAL read_only = 1")
    try:
        replica.arrive(context)
        baseline.take(context)
        assert baseline.fenced(context).since
        fenced = baseline.fenced(context).fingerprint
        assert "named" in fenced["tables"]["keystone.wide"]
        copy.copy(context)
        assert baseline.fenced(context).since  # nothing differed
        assert copy.copied(context)
        assert not copy.compared(context)  # a table was given its number: that is looked at
        compare.prove(context)
        whole = baseline.of(context, target)
        assert whole["tables"] == baseline.of(context, source)["tables"]
        assert baseline.source_equals_fence(context) == []
        sql(source, "UPDATE keystone.wide SET t = 'fenced' WHERE id = 4")  # by root, who still can
        (found,) = baseline.source_equals_fence(context)
        assert "keystone.wide" in str(found)
        sql(source, "UPDATE keystone.wide SET t = 'row 4' WHERE id = 4")
    finally:
        sql(source, "SET GLOBAL read_only = 0")
        baseline.lift(context)
    copy.discard_copy(context)


def test_the_way_back_needs_no_log_of_what_was_read_whole_later(context: Context) -> None:
    source = context.source.database
    replica.begin(context)
    proving.prove(context)
    sql(source, "UPDATE keystone.wide SET t = 'last word' WHERE id = 13")
    sql(source, "SET GLOBAL read_only = 1")
    try:
        replica.arrive(context)
        baseline.take(context)
        assert "named" in baseline.fenced(context).fingerprint["tables"]["keystone.wide"]
        assert not baseline.taken_later(context)
        baseline.take_later(context)
        assert baseline.taken_later(context)
        assert waits_for(lambda: purged(context))
        assert baseline.source_equals_fence(context) == []
        unseen = "UPDATE keystone.wide SET t = '{}' WHERE id = 4"
        past = "SET SESSION sql_log_bin = {}"
        sql(source, past.format(0), unseen.format("unseen"), past.format(1))
        (found,) = baseline.source_equals_fence(context)
        assert str(found).startswith("row checksum of keystone.wide")
        sql(source, past.format(0), unseen.format("row 4"), past.format(1))
    finally:
        sql(source, "SET GLOBAL read_only = 0")
        baseline.lift(context)
    copy.discard_copy(context)


def purged(context: Context) -> bool:
    """Whether the source has no log from before any more; it may keep one for a moment."""
    source = context.source.database
    sql(source, "FLUSH BINARY LOGS")
    *_, (last, _) = sql(source, "SHOW BINARY LOGS")
    sql(source, f"PURGE BINARY LOGS TO '{last}'")
    return len(sql(source, "SHOW BINARY LOGS")) == 1


def test_a_copy_that_is_not_as_it_was_proven_is_brought_whole(context: Context) -> None:
    """Also where the difference is in no log: it is in a row that the window looks at."""
    source, target = context.source.database, context.target.database
    replica.begin(context)
    proving.prove(context)
    sql(source, "UPDATE keystone.wide SET t = 'last' WHERE id = 12")
    sql(source, "SET GLOBAL read_only = 1")
    try:
        replica.arrive(context)
        sql(target, "UPDATE keystone.wide SET t = 'wrong' WHERE id = 12")
        baseline.take(context)
        assert baseline.fenced(context).since
        copy.copy(context)
        assert baseline.fenced(context).since is None
        compare.prove(context)
        assert sql(target, "SELECT t FROM keystone.wide WHERE id = 12") == [("last",)]
    finally:
        sql(source, "SET GLOBAL read_only = 0")
        baseline.lift(context)
    copy.discard_copy(context)
    assert not replica.follows(context)
    replica.begin(context)
    proving.prove(context)
