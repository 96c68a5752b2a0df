"""A source with its databases on two servers: followed, proven, over and back, on real machines."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import baseline, connection, copy, holders, ownership, progress, servers
from migrate.database.replication import account, proven, proving, replica, tunnel
from migrate.engine import markers
from migrate.engine.journal import Journal
from migrate.engine.runner import Runner
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call
from migrate.phases import followed
from migrate.phases.plan import compose
from tests.integration import pair
from tests.statements import answers, sql
from tests.wait import waits_for

pytestmark = [pytest.mark.integration, pytest.mark.in_set("database-servers"), pytest.mark.in_order]
FOLLOW = ("transfer.key", "database.first-pass", "database.replica", "database.proof")
WINDOW = ("database.arrival", "database.fingerprint", "database.copy", "database.compare")
AFTER = ("database.unfollow", "database.fence-whole")
OPTIONS = "/etc/mysql/mariadb.conf.d/80-test.cnf"
LOGGED = "[mariadbd]\nlog_bin = binlog\nbinlog_format = ROW\nserver_id = {}\ngtid_domain_id = {}\n"
MADE = {
    "pair-old": ("beta-1", "CREATE TABLE `beta-1`.n (id INT PRIMARY KEY, n BIGINT, t CHAR(36))"),
    "pair-cell": ("alpha", "CREATE TABLE alpha.n (id INT PRIMARY KEY, n BIGINT, t CHAR(36))"),
}


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    with (
        tempfile.TemporaryDirectory(prefix="pair-") as home,
        pair.running(Path(home), cell=True) as made,
    ):
        for number, host in enumerate((*made.source.core, made.target.database)):
            domain = 20261 if host is made.target.database else 0  # the sources' is the default
            host.write(OPTIONS, LOGGED.format(number + 11, domain), mode=0o644)
            host.run("systemctl", "restart", "mariadb", timeout=120)
        for host in made.source.core:
            name, table = MADE[host.name]
            sql(host, table, f"INSERT INTO `{name}`.n VALUES (1, 0, 'a'), (2, 0, 'b'), (3, 0, 'c')")
        yield made


class Way:
    """Carries the plan's steps out."""

    def __init__(self, context: Context, papers: Path) -> None:
        plan = compose(context)
        self.steps = {one.id: one for one in plan}
        self.runner = Runner(plan, Journal(papers), context, lambda *_: None)

    def go(self, *names: str) -> None:
        self.runner.apply([self.steps[name] for name in names])

    def back(self, *names: str) -> None:
        self.runner.retreat([self.steps[name] for name in names])


@pytest.fixture(scope="module")
def way(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Way:
    return Way(context, tmp_path_factory.mktemp("papers") / "journal")


def old(context: Context) -> Host:
    return context.source.tools


def cell(context: Context) -> Host:
    return context.source.databases[0]


@contextmanager
def written(context: Context) -> Iterator[None]:
    """Both servers are written to without pause."""
    ended = threading.Event()

    def write(host: Host) -> None:
        with connection.session(host) as link:
            while not ended.is_set():
                connection.rows(link, f"UPDATE `{MADE[host.name][0]}`.n SET n = n + 1 WHERE id = 1")

    writers = [threading.Thread(target=write, args=(host,)) for host in context.source.core]
    for one in writers:
        one.start()
    try:
        yield
    finally:
        ended.set()
        for one in writers:
            one.join()


def fence(context: Context) -> None:
    for host in context.source.core:
        call(host, "mariadb.fence")


def lift(context: Context) -> None:
    for host in context.source.core:
        call(host, "mariadb.lift")


def equal(context: Context) -> bool:
    here = baseline.of_source(context)["tables"]
    return bool(here == baseline.of(context, context.target.database)["tables"])


def test_each_database_is_where_its_server_says(context: Context) -> None:
    found = {one.host.name: one for one in servers.of(context)}
    assert found["pair-cell"].names == ("alpha",)
    assert found["pair-old"].names == ("alpha_api", "alpha_cell0", "beta-1")
    assert found["pair-cell"].users == ("alpha",)
    assert [one.connection for one in servers.of(context)] == ["", "source2"]


def test_a_name_on_two_servers_is_refused(context: Context) -> None:
    sql(cell(context), "CREATE DATABASE `beta-1`")
    two = context.source.__class__(
        "source",
        "1",
        (old(context),),
        (),
        (),
        databases=(
            cell(context),
            old(context),
        ),
    )
    with pytest.raises(
        PreconditionError, match="beta-1 is on the servers of pair-cell and pair-old"
    ):
        holders.holding(two, "beta-1")
    sql(cell(context), "DROP DATABASE `beta-1`")


def test_one_domain_of_two_servers_is_told_and_the_remedy_ends_it(context: Context) -> None:
    (told,) = replica.obstacles(context)
    assert told.message == "pair-cell and pair-old both log in the GTID domain 0"
    server = old(context)
    sql(server, "SET GLOBAL gtid_domain_id = 1")
    server.shell("mariadb -e 'KILL USER root@localhost' || true")  # as a restart of who writes
    sql(server, "FLUSH BINARY LOGS")
    server.write(OPTIONS, LOGGED.format(11, 1), mode=0o644)
    *_, (newest, _) = sql(server, "SHOW BINARY LOGS")
    assert waits_for(lambda: purged(server, str(newest)))
    sql(server, "FLUSH BINARY LOGS DELETE_DOMAIN_ID = (0)")
    sql(server, "INSERT INTO `beta-1`.n VALUES (4, 0, 'd')")
    assert replica.obstacles(context) == []


def purged(server: Host, newest: str) -> bool:
    """Whether it has no older log any more; it may keep one for a moment."""
    sql(server, f"PURGE BINARY LOGS TO '{newest}'")
    return str(sql(server, "SHOW BINARY LOGS")[0][0]) == newest


def test_accounts_that_one_server_cannot_have_are_refused(context: Context, way: Way) -> None:
    with pytest.raises(StepError, match=r"beta.* has rights on `alpha`.`things` on pair-old"):
        way.go(*FOLLOW[:2])
    sql(old(context), "REVOKE SELECT (id, name) ON alpha.things FROM beta@'%'")
    sql(cell(context), "SET PASSWORD FOR alpha@'%' = PASSWORD('another')")
    with pytest.raises(StepError, match=r"alpha.* logs in otherwise on pair-cell than on pair-old"):
        way.go(*FOLLOW[:2])
    sql(cell(context), "SET PASSWORD FOR alpha@'%' = PASSWORD('pw-alpha')")


def test_both_are_followed_and_proven_while_they_are_written_to(context: Context, way: Way) -> None:
    with written(context):
        way.go(*FOLLOW)
        standing = replica.standing(context)
        assert standing.follows, standing
        for _ in range(2):
            proving.prove(context)
        found = proven.proof(context)
    assert found
    assert set(found.places) == {"pair-cell", "pair-old"}
    assert replica.follows(context)
    told = followed.line("pair", **followed.look(context))
    assert told == "databases: followed, pair-cell: nothing behind; pair-old: nothing behind"
    shown = {str(row[0]) for row in sql(context.target.database, "SHOW ALL SLAVES STATUS")}
    assert shown == {"", "source2"}


def test_one_that_is_cut_off_is_named_and_the_other_goes_on(context: Context) -> None:
    target = context.target.database
    target.run("systemctl", "stop", f"{tunnel.NAME}-2.socket")
    target.shell('systemctl stop "$1*"', f"{tunnel.NAME}-2@")
    assert waits_for(lambda: replica.standing(context).error.startswith("pair-old: "))
    sql(cell(context), "UPDATE alpha.n SET t = UUID() WHERE id = 2")
    wanted = sql(cell(context), "SELECT t FROM alpha.n WHERE id = 2")
    assert waits_for(lambda: sql(target, "SELECT t FROM alpha.n WHERE id = 2") == wanted)
    target.run("systemctl", "start", f"{tunnel.NAME}-2.socket")
    assert waits_for(lambda: replica.follows(context))


def test_followed_on_where_the_target_boots(context: Context) -> None:
    target = context.target.database
    target.shell("kill -9 $(pidof mariadbd)")
    assert waits_for(lambda: answers(target), 60)
    sql(old(context), "CREATE TABLE IF NOT EXISTS elsewhere.more (id INT PRIMARY KEY)")  # not ours
    sql(old(context), "UPDATE `beta-1`.n SET t = UUID() WHERE id = 2")
    assert waits_for(lambda: replica.follows(context), 60)
    proving.prove(context)
    assert equal(context)


def test_a_difference_on_either_is_found_and_made_anew(context: Context, way: Way) -> None:
    target = context.target.database
    proven.forget(context)
    sql(target, "UPDATE `beta-1`.n SET t = 'x' WHERE id = 3", "DELETE FROM alpha.n WHERE id = 3")
    with pytest.raises(StepError) as told:
        proving.prove(context)
    assert "alpha.n" in str(told.value)
    assert "1 rows, id from 3 to 3" in str(told.value)
    assert not replica.follows(context)
    way.go(*FOLLOW)
    assert equal(context)


def test_over_and_back(context: Context, way: Way) -> None:
    target = context.target.database
    for host, name in ((old(context), "beta-1"), (cell(context), "alpha")):
        sql(host, f"UPDATE `{name}`.n SET t = UUID() WHERE id = 2")
    fence(context)
    way.go(*WINDOW)
    assert markers.stage(context) == markers.COPIED
    assert equal(context)
    for name in ("alpha.n", "beta-1.n"):
        assert "named" in baseline.fenced(context).fingerprint["tables"][name]
    way.go(*AFTER)
    assert sql(target, "SHOW ALL SLAVES STATUS") == []
    assert replica.left(target) == []
    assert baseline.source_equals_fence(context) == []
    # what is written on the second server under the fence is seen before anything starts there
    unseen = "UPDATE `beta-1`.n SET t = '{}' WHERE id = 3"
    past = "SET SESSION sql_log_bin = {}"
    sql(old(context), past.format(0), unseen.format("x"), past.format(1))
    with pytest.raises(StepError, match=r"row checksum of beta-1\.n"):
        way.back(*WINDOW)
    sql(old(context), past.format(0), unseen.format("c"), past.format(1))
    way.back(*WINDOW)
    lift(context)


def test_a_fence_of_one_that_was_opened_between_names_nothing(context: Context, way: Way) -> None:
    fence(context)
    way.go(WINDOW[1])
    assert baseline.taken(context)
    call(old(context), "mariadb.lift")
    assert not baseline.taken(context)
    call(old(context), "mariadb.fence")
    assert not baseline.taken(context)
    way.back(WINDOW[1])
    lift(context)


def test_nothing_is_left(context: Context, way: Way) -> None:
    target = context.target.database
    way.back(*FOLLOW)
    for host in context.source.core:
        assert account.left(host) == []
        assert not host.exists("/var/lib/migrate")
    assert replica.left(target) == []
    with connection.session(target) as link:
        assert not progress.there(link)
        names = {str(row[0]) for row in connection.rows(link, "SHOW DATABASES")}
    assert not names & {"alpha", "beta-1"}
    assert ownership.recorded(target)["source"] == ""


def test_without_following_each_is_copied_from_its_server(context: Context, way: Way) -> None:
    sql(old(context), "SET GLOBAL gtid_domain_id = 0", "INSERT INTO `beta-1`.n VALUES (9, 0, 'z')")
    assert replica.obstacles(context) != []
    way.go(*FOLLOW)
    assert not replica.standing(context).ours
    sql(cell(context), "UPDATE alpha.n SET t = UUID() WHERE id = 2")
    fence(context)
    way.go(*WINDOW)
    assert copy.compared(context)
    assert equal(context)
    way.back(*WINDOW)
    lift(context)
    way.back(*FOLLOW)
