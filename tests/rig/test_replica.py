"""The target's databases follow the source's by GTID, through ssh, with real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrate.cloud import Context, transfer
from migrate.database import baseline, compare, connection, copy, ownership
from migrate.database.replication import account, channels, replica, tunnel
from migrate.onhost import call
from tests.statements import sql
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("replica")]
ROWS = "SELECT id, t FROM keystone.followed ORDER BY id"


@pytest.fixture(scope="module", autouse=True)
def _seeded(context: Context) -> Iterator[None]:
    transfer.allow(context)
    sql(context.source.database, "CREATE TABLE keystone.followed (id INT PRIMARY KEY, t TEXT)")
    sql(context.source.database, "INSERT INTO keystone.followed VALUES (1, 'a'), (2, 'b')")
    assert replica.obstacles(context) == []
    replica.seed(context)
    assert copy.passed(context)
    assert not replica.follows(context)
    replica.begin(context)
    yield
    replica.end(context)
    ownership.discard(context)
    transfer.forbid(context)


def both_have(context: Context, rows: list[tuple[int, str]]) -> None:
    assert replica.follows(context), replica.standing(context)
    assert sql(context.source.database, ROWS) == rows
    assert sql(context.target.database, ROWS) == rows


def test_rows_and_definitions_come(context: Context) -> None:
    source = context.source.database
    sql(source, "UPDATE keystone.followed SET t = 'c' WHERE id = 2")
    sql(source, "ALTER TABLE keystone.followed ADD COLUMN more INT")
    both_have(context, [(1, "a"), (2, "c")])
    standing = replica.standing(context)
    assert standing.follows
    assert standing.has == standing.source


def test_other_databases_do_not(context: Context) -> None:
    sql(context.source.database, "CREATE DATABASE elsewhere", "CREATE TABLE elsewhere.t (i INT)")
    assert replica.follows(context)
    assert ("elsewhere",) not in sql(context.target.database, "SHOW DATABASES")
    sql(context.source.database, "DROP DATABASE elsewhere")


def test_one_that_has_parted_is_told_and_made_anew(context: Context) -> None:
    sql(context.target.database, "DELETE FROM keystone.followed WHERE id = 1")
    sql(context.source.database, "UPDATE keystone.followed SET t = 'd' WHERE id = 1")
    assert waits_for(lambda: bool(replica.standing(context).error))
    assert "1032" in replica.standing(context).error
    assert not replica.follows(context)
    replica.begin(context)
    both_have(context, [(1, "d"), (2, "c")])


def test_it_goes_on_after_a_restart_and_a_cut(context: Context) -> None:
    target = context.target.database
    target.run("systemctl", "restart", "mariadb", timeout=120)
    target.shell('systemctl stop "$1*"', tunnel.CONNECTS.partition(".")[0])
    sql(context.source.database, "UPDATE keystone.followed SET t = 'e' WHERE id = 2")
    assert waits_for(lambda: replica.follows(context))
    both_have(context, [(1, "d"), (2, "e")])


def test_it_stands_still_while_it_is_looked_at(context: Context) -> None:
    source = context.source.database
    with replica.paused(context) as come:
        with connection.session(source) as link:
            come(replica.position(link))
        sql(source, "UPDATE keystone.followed SET t = 'f' WHERE id = 2")
        assert sql(context.target.database, ROWS) == [(1, "d"), (2, "e")]
    both_have(context, [(1, "d"), (2, "f")])


def test_its_password_is_in_no_log_of_the_source(context: Context) -> None:
    """Nor is the account in the binary log: a replica of the operator's does not get it."""
    source = context.source.database
    logs = [str(row[0]) for row in sql(source, "SHOW BINARY LOGS")]
    for name in logs:
        assert account.USER not in source.run(
            "mariadb-binlog", "--base64-output=decode-rows", f"/var/lib/mysql/{name}"
        )


def test_all_has_arrived_and_nothing_is_left_of_it(context: Context) -> None:
    source, target = context.source.database, context.target.database
    sql(source, "SET GLOBAL read_only = 1")
    try:
        baseline.take(context)
        replica.arrive(context)
        assert replica.arrived(context)
        assert not replica.taken_away(context)  # the way is no matter of the window
        replica.take_away(context)
        assert replica.taken_away(context)
        assert baseline.of(context, target)["tables"] == baseline.of(context, source)["tables"]
        compare.prove(context)
    finally:
        sql(source, "SET GLOBAL read_only = 0")
        baseline.lift(context)
    replica.end(context)
    assert account.left(source) == []
    assert call(source, "record.load", account.RECORD) is None
    assert not target.exists(channels.OPTIONS)
    assert not target.exists(f"{tunnel.FOLDER}/{tunnel.LISTENS}")
    assert str(tunnel.PORT) not in target.run("ss", "-Htln")
