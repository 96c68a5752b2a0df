"""What breaks a replica is told; it is never skipped, and is whole again: with real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from migrate.cloud import Context, transfer
from migrate.database import baseline, connection, copy, ownership, progress
from migrate.database.replication import account, replica, state, tunnel
from migrate.errors import MigrateError, PreconditionError, StepError
from tests.disks import empty, fill, on_its_own_disk
from tests.statements import sql
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("replica-breaks"), pytest.mark.in_order]
ROWS = "SELECT * FROM keystone.followed ORDER BY id"
MANY = "SELECT COUNT(*), MAX(id) FROM keystone.many"
READERS = "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog%'"
KILL = "kill -9 $(pidof mariadbd)"


@pytest.fixture(scope="module", autouse=True)
def _followed(context: Context) -> Iterator[None]:
    transfer.allow(context)
    sql(
        context.source.database,
        "CREATE TABLE keystone.followed (id INT PRIMARY KEY, t VARCHAR(200))",
        "INSERT INTO keystone.followed VALUES (1, 'a'), (2, 'b')",
        # so long that its dump can be broken
        "CREATE TABLE keystone.many (id INT PRIMARY KEY, t VARCHAR(250))",
        "INSERT INTO keystone.many SELECT seq, REPEAT(MD5(seq), 7) FROM keystone.seq_1_to_200000",
    )
    replica.seed(context)
    replica.begin(context)
    yield
    replica.end(context)
    ownership.discard(context)
    transfer.forbid(context)


def says(context: Context, words: str) -> Callable[[], bool]:
    """Whether the replica is told to be broken by *words*."""
    return lambda: words in replica.standing(context).error


def comes_to_follow(context: Context) -> Callable[[], bool]:
    """By itself; a server that starts does not answer yet."""

    def asked() -> bool:
        try:
            return replica.follows(context)
        except MigrateError:
            return False

    return asked


def equal(context: Context) -> None:
    """All that the source has now is there, byte by byte, and what comes next too."""
    source, target = context.source.database, context.target.database
    sql(source, "UPDATE keystone.followed SET t = UUID() WHERE id = 2")
    assert replica.follows(context), replica.standing(context)
    assert replica.standing(context).follows
    assert sql(source, ROWS) == sql(target, ROWS)
    assert baseline.of(context, target)["tables"] == baseline.of(context, source)["tables"]


def made_anew(context: Context) -> None:
    assert not replica.follows(context)
    assert not replica.standing(context).follows
    replica.begin(context)
    equal(context)


@pytest.mark.parametrize(
    ("number", "here", "there"),
    [
        (
            "1062",
            "INSERT INTO keystone.followed VALUES (3, 'ours')",
            "INSERT INTO keystone.followed VALUES (3, 'theirs')",
        ),
        (
            "1146",
            "DROP TABLE keystone.followed",
            "UPDATE keystone.followed SET t = 'c' WHERE id = 1",
        ),
        (
            "1677",
            "ALTER TABLE keystone.followed MODIFY t VARCHAR(50)",
            "UPDATE keystone.followed SET t = 'd' WHERE id = 1",
        ),
    ],
)
def test_what_cannot_be_applied(context: Context, number: str, here: str, there: str) -> None:
    sql(context.target.database, here)
    sql(context.source.database, there)
    assert waits_for(says(context, f"error {number}: "))
    made_anew(context)


def test_what_it_needs_was_purged(context: Context) -> None:
    source, target = context.source.database, context.target.database
    sql(target, "STOP SLAVE")
    assert replica.standing(context).error == "Slave_IO_Running, Slave_SQL_Running: No"
    assert waits_for(lambda: sql(source, READERS) == [(0,)])
    sql(source, "UPDATE keystone.followed SET t = 'e' WHERE id = 1", "FLUSH BINARY LOGS")

    def gone() -> bool:  # the server keeps a log until its last transactions are on the disk
        *_, (last, _) = sql(source, "SHOW BINARY LOGS")
        sql(source, f"PURGE BINARY LOGS TO '{last}'")
        return len(sql(source, "SHOW BINARY LOGS")) == 1

    assert waits_for(gone)
    sql(target, "START SLAVE")
    assert waits_for(says(context, "error 1236: "))
    made_anew(context)


def test_the_account_is_gone(context: Context) -> None:
    """The seed is as good as before: it is followed from where it stands."""
    source, target = context.source.database, context.target.database
    sql(source, "SET SESSION sql_log_bin = 0", f"DROP USER {account.USER}@{account.FROM}")
    sql(source, "SET SESSION sql_log_bin = 1")
    target.shell('systemctl stop "$1*"', tunnel.CONNECTS.partition(".")[0])
    sql(source, "UPDATE keystone.followed SET t = 'f' WHERE id = 1")
    assert waits_for(says(context, "Access denied"))
    sql(target, f"UPDATE {progress.TABLE} SET fence = 'kept' WHERE what = '{progress.SEED}'")
    made_anew(context)
    kept = f"SELECT fence FROM {progress.TABLE} WHERE what = '{progress.SEED}'"
    assert sql(target, kept) == [("kept",)]


def test_nothing_is_let_in(context: Context) -> None:
    """What is no fault of the seed's costs no new one, and is told."""
    transfer.forbid(context)
    context.target.database.shell('systemctl stop "$1*"', tunnel.CONNECTS.partition(".")[0])
    assert waits_for(says(context, "error 2013: "))
    transfer.allow(context)
    made_anew(context)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_server_is_killed(context: Context, side: str) -> None:
    host = getattr(context, side).database
    sql(context.source.database, "UPDATE keystone.followed SET t = 'g' WHERE id = 1")
    host.shell(KILL)
    with pytest.raises(PreconditionError, match="is it running"):
        replica.standing(context)
    assert waits_for(comes_to_follow(context))
    equal(context)


def test_the_source_is_killed_while_it_is_dumped(context: Context) -> None:
    """What came of it is not believed; the same again brings all."""
    source, target = context.source.database, context.target.database
    with ThreadPoolExecutor() as beside:
        seeding = beside.submit(replica.seed, context)
        assert waits_for(lambda: source.succeeds("pgrep", "-x", "mariadb-dump"))
        source.shell(KILL)
        with pytest.raises(StepError, match="is not whole, nothing of it counts"):
            seeding.result()
    assert waits_for(lambda: source.succeeds("mariadb", "-e", "SELECT 1"))
    assert not copy.passed(context)
    with connection.session(target) as link:
        assert not progress.ever(link, progress.SEED)
    assert not replica.follows(context)
    assert not replica.standing(context).ours
    made_anew(context)
    assert sql(target, MANY) == [(200_000, 200_000)]


def test_the_disk_of_the_target_is_full(context: Context) -> None:
    """Its server would not even say so: it waits. Nobody else waits with it."""
    source, target = context.source.database, context.target.database
    on_its_own_disk(target)
    assert waits_for(comes_to_follow(context))
    fill(target, 0)
    sql(source, "CREATE TABLE keystone.large (id INT PRIMARY KEY, t LONGTEXT)")
    for number in range(20):
        sql(source, f"INSERT INTO keystone.large VALUES ({number}, REPEAT(UUID(), 30000))")
    assert waits_for(says(context, state.FULL))
    assert not replica.follows(context)
    with pytest.raises(StepError, match="is full: free some of it"):
        replica.begin(context)


def test_the_disk_of_the_source_is_low(context: Context) -> None:
    """A replica that stands still holds logs there: it is let go, and they are given back."""
    source, target = context.source.database, context.target.database
    on_its_own_disk(source)  # so small that below a third is low
    sql(source, "SET GLOBAL binlog_expire_logs_seconds = 1")
    sql(source, "SET GLOBAL net_write_timeout = 3600")  # by itself it gives up after a minute
    empty(target)
    assert waits_for(lambda: not replica.standing(context).error.startswith(state.FULL), 90)
    replica.begin(context)
    fill(target, 0)
    for number in range(20, 40):
        sql(source, f"INSERT INTO keystone.large VALUES ({number}, REPEAT(UUID(), 30000))")
        sql(source, "FLUSH BINARY LOGS")
    assert waits_for(says(context, state.FULL))
    held = len(sql(source, "SHOW BINARY LOGS"))
    assert held > 3
    assert sql(source, READERS) == [(1,)]
    fill(source, 25)
    assert waits_for(lambda: len(sql(source, "SHOW BINARY LOGS")) <= 2, 60)
    assert sql(source, READERS) == [(0,)]
    assert sql(source, "SELECT @@global.slave_connections_needed_for_purge") == [(1,)]
    empty(target)
    assert waits_for(says(context, "MiB left, and its binary log is not read below"), 90)
    with pytest.raises(PreconditionError, match=r"rig\S*-old: the disk of the source's \S+ has"):
        replica.begin(context)
    assert "MiB left" in target.run("journalctl", "-u", tunnel.CONNECTS.replace("@", "@*"))
    empty(source)
    # it goes on, or is told that what it lacks was given back: by how much it had come
    assert waits_for(lambda: "MiB left" not in replica.standing(context).error)
    replica.begin(context)
    equal(context)
