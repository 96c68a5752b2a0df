"""A source of MariaDB 10.11 and a target of 11.8: dumped, followed, proven equal by checksums."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.checks import database
from migrate.checks.sql import session
from migrate.cloud import Context, transfer
from migrate.database import baseline, compare, connection, copy, delta, ownership, progress
from migrate.database.replication import facts, proven, proving, replica, server_copy
from migrate.engine import markers
from tests.integration import pair
from tests.lab import debian12

pytestmark = [pytest.mark.integration, pytest.mark.in_set("replica-old"), pytest.mark.in_order]
OPTIONS = (
    "[mariadbd]\nlog_bin = binlog\nserver_id = 11\nbinlog_format = ROW\nbinlog_row_image = FULL\n"
)
DOMAIN = "/etc/mysql/mariadb.conf.d/80-domain.cnf"
# what OpenStack's models are made of
COLUMNS = """(
  id INT AUTO_INCREMENT PRIMARY KEY, tiny TINYINT(1), small SMALLINT UNSIGNED, big BIGINT UNSIGNED,
  name VARCHAR(255), bin VARCHAR(36) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin,
  code CHAR(32), latin VARCHAR(20) CHARACTER SET latin1, wide VARCHAR(100) CHARACTER SET utf8mb4,
  body TEXT, medium MEDIUMTEXT, doc LONGTEXT, said JSON, raw BLOB, large LONGBLOB, fixed BINARY(16),
  free VARBINARY(50), at DATETIME, micro DATETIME(6), stamp TIMESTAMP NULL,
  updated TIMESTAMP(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  day DATE, clock TIME(3), price DECIMAL(20, 6), ratio FLOAT, exact DOUBLE, known DOUBLE(10, 3),
  kind ENUM('a', 'ü', 'long one'), some SET('x', 'y', 'z'), bits BIT(10), yes BOOLEAN NOT NULL
  DEFAULT 0 CHECK (yes IN (0, 1)), made INT AS (tiny + 1) VIRTUAL,
  must VARCHAR(20) NOT NULL DEFAULT 'it''s', UNIQUE KEY u (bin), KEY k (name(100), at)
)"""
ROW = """(tiny, small, big, name, bin, code, latin, wide, body, medium, doc, said, raw, large,
  fixed, free, at, micro, stamp, updated, day, clock, price, ratio, exact, known, kind, some, bits,
  yes)
  SELECT seq % 100, seq, 18446744073709551615 - seq, CONCAT('näme ', seq), UUID(), MD5(seq),
  'é', '😀', REPEAT('text ', seq % 500), REPEAT('ü', seq % 9000), IF(seq % 3, 'x', NULL),
  JSON_OBJECT('n', seq, 'ä', '\\"'), UNHEX(MD5(seq)), REPEAT(UNHEX('00FF0A0D271A22'), seq),
  UNHEX(MD5(seq)), '\\0\\n', '2026-02-28 23:59:59' + INTERVAL seq DAY,
  '2026-01-01 00:00:00.123456' + INTERVAL seq SECOND, '2026-03-29 02:30:00' + INTERVAL seq HOUR,
  '2025-10-26 02:30:00.654321' + INTERVAL seq MINUTE, '2024-02-29', '-838:59:58.999', seq / 7,
  seq / 4, 1 / seq, seq / 9, IF(seq % 2, 'ü', 'long one'), 'x,z', seq, seq % 2
  FROM alpha.seq_1_to_"""
FORMATS = ("DYNAMIC", "COMPACT", "COMPRESSED")


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    older = debian12.bare(("mariadb-server", "mariadb-backup"))
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="pair-") as home,
        pair.running(Path(home), older) as made,
    ):
        for name in ("mark", "unmark", "refuse_after"):  # the pair has no broker to keep marks
            patch.setattr(markers, name, lambda *_: None)
        source = made.source.database
        source.write("/etc/mysql/mariadb.conf.d/80-log.cnf", OPTIONS, mode=0o644)
        source.run("systemctl", "restart", "mariadb", timeout=120)
        sql(made, "SET GLOBAL gtid_domain_id = 20261", side="target")
        target = made.target.database
        target.write(DOMAIN, "[mariadbd]\ngtid_domain_id = 20261\n", mode=0o644)
        transfer.allow(made)
        yield made


def sql(context: Context, *statements: str, side: str = "source") -> list[connection.Row]:
    with connection.session(getattr(context, side).database) as link:
        return [connection.rows(link, one) for one in statements][-1]


def tables(context: Context, when: str) -> list[str]:
    """Statements that make and fill tables of every kind, at the moment *when*."""
    made = []
    for form in FORMATS:
        name = f"alpha.types_{when}_{form.lower()}"
        made += [f"CREATE TABLE {name} {COLUMNS} ROW_FORMAT={form}", f"INSERT INTO {name} {ROW}300"]
    return made


def test_the_two_are_what_this_is_about(context: Context) -> None:
    with connection.session(context.source.database) as link:
        source = facts.read(link)
    with connection.session(context.target.database) as link:
        target = facts.read(link)
    assert (source.series, target.series) == ((10, 11), (11, 8))


def test_its_whole_server_is_taken(context: Context) -> None:
    """Prepared by its own tool, upgraded by ours; what it holds beside goes by dumps, below."""
    source = context.source.database
    assert "elsewhere" in server_copy.why_not(context)
    sql(context, "DROP DATABASE elsewhere", *tables(context, "copied"))
    assert not server_copy.why_not(context)
    replica.seed(context)
    with connection.session(context.target.database) as link:
        assert progress.ever(link, progress.WHOLE)
        assert facts.read(link).series == (11, 8)
    replica.begin(context)
    sql(context, "UPDATE alpha.types_copied_compact SET ratio = ratio * 2, exact = exact * 1.1")
    proving.prove(context)
    assert proven.proof(context)
    replica.end(context)
    ownership.discard(context)
    sql(context, *(f"DROP TABLE alpha.types_copied_{form.lower()}" for form in FORMATS))
    source.run("rm", "/usr/bin/mariadb-backup")


def test_it_is_seeded_and_followed(context: Context) -> None:
    sql(context, *tables(context, "before"))
    assert replica.obstacles(context) == []
    replica.seed(context)
    replica.begin(context)
    sql(context, *tables(context, "after"))
    sql(context, "ALTER TABLE alpha.types_before_dynamic ADD COLUMN more FLOAT DEFAULT 1.1")
    sql(context, "UPDATE alpha.types_before_compact SET ratio = ratio * 2, exact = exact * 1.1")
    sql(context, "DELETE FROM alpha.types_after_dynamic WHERE id % 7 = 0")
    # of more digits than a dump has
    sql(context, "CREATE TABLE alpha.nine (id INT PRIMARY KEY, f FLOAT)")
    sql(context, "INSERT INTO alpha.nine SELECT seq, seq / 7 FROM alpha.seq_1_to_300")
    assert replica.follows(context), replica.standing(context)


def test_a_stored_generated_column_is_refused(context: Context) -> None:
    """The one thing that the two servers sum up differently."""
    made = "CREATE TABLE alpha.kept (id INT PRIMARY KEY, a INT, b INT AS (a + 1) STORED)"
    sql(context, made, "INSERT INTO alpha.kept (id, a) VALUES (1, 1), (2, 2)")
    assert replica.follows(context)
    rows, sums = "SELECT * FROM alpha.kept", "CHECKSUM TABLE alpha.kept"
    assert sql(context, rows) == sql(context, rows, side="target")
    assert sql(context, sums) != sql(context, sums, side="target")
    with session(context.source.database) as asked:
        (told,) = database.stored(asked, ["alpha", "alpha_api", "beta-1"])
    assert "table alpha.kept has a stored generated column" in str(told)
    sql(context, "DROP TABLE alpha.kept")


def test_all_has_arrived_and_is_equal(context: Context) -> None:
    sql(context, "SET GLOBAL read_only = 1")
    baseline.take(context)
    replica.arrive(context)
    assert replica.arrived(context)
    here, there = (baseline.of(context, s.database) for s in (context.source, context.target))
    assert len([name for name in here["tables"] if "types_" in name]) == 2 * len(FORMATS)
    assert delta.missing(here, there) == ([], [], [])
    # what filled them took more numbers than it has rows
    assert "alpha.types_after_dynamic" in delta.numbers(here, there)
    copy.copy(context)
    with connection.session(context.target.database) as link:
        assert not progress.ever(link, progress.OWN_WRITES)
    compare.prove(context)


def test_it_is_copied_in_the_window_too(context: Context) -> None:
    """As where nothing was followed: all comes by dumps."""
    baseline.lift(context)
    sql(context, "DROP TABLE alpha.nine")
    baseline.take(context)
    with connection.session(context.target.database) as link:
        ownership.empty(link, ownership.recorded(context.target.database))
    copy.copy(context)
    compare.prove(context)
