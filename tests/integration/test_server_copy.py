"""The seed as the source's whole server: under a writer, killed, in place of the target's own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import copy, ownership
from migrate.database.replication import proven, replica, server_copy
from migrate.errors import MigrateError, StepError
from migrate.onhost import server_swap
from tests.integration import seeded
from tests.integration.seeded import equal, written
from tests.statements import sql
from tests.wait import waits_for

pytestmark = [pytest.mark.integration, pytest.mark.in_set("replica-seed"), pytest.mark.in_order]
ROOM = f"/var/lib/mysql/{server_swap.INSIDE}"
USERS = "SELECT user, host, priv FROM mysql.global_priv ORDER BY user, host"
OWN = "SELECT @@server_id, @@gtid_domain_id, @@event_scheduler, @@port"


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    with seeded.running() as made:
        source = made.source.database
        sql(source, "CREATE USER monitor IDENTIFIED BY 'x'", "GRANT PROCESS ON *.* TO monitor")
        yield made


def nothing_left(target: Host) -> None:
    assert not target.exists(ROOM)
    assert not target.exists(f"/var/lib/migrate/{server_swap.RECORD}.json")
    assert not target.succeeds("systemctl", "is-active", "-q", server_swap.UNIT)
    assert target.run("systemctl", "is-enabled", "mariadb").strip() == "enabled"


def begun_anew(context: Context) -> None:
    """As `migrate follow` does."""
    server_copy.put_back(context.target.database)
    assert not copy.passed(context)
    replica.begin(context)
    nothing_left(context.target.database)
    equal(context)


def test_it_is_of_one_instant_under_a_writer(context: Context) -> None:
    target = context.target.database
    own = sql(target, OWN)
    assert not server_copy.why_not(context)
    with written(context) as done:
        assert waits_for(lambda: done[0] > 10)
        replica.seed(context)
        ((here,),) = sql(target, "SELECT n FROM alpha.one")
        assert sql(target, "SELECT n FROM `beta-1`.other") == [(here,)]
        assert 0 < here < done[0]
        nothing_left(target)
        equal(context)  # accounts of services and their rights, too
        assert proven.proof(context)
    assert sql(target, OWN) == own


def test_the_target_has_its_own_accounts(context: Context) -> None:
    users = [user for user, *_ in sql(context.target.database, USERS)]
    assert "root" in users
    assert "alpha" in users
    assert "monitor" not in users


def test_events_came_enabled_and_do_not_run(context: Context) -> None:
    target = context.target.database
    events = "SELECT status FROM information_schema.events WHERE event_name = 'daily'"
    assert sql(target, events) == [("ENABLED",)]
    assert sql(target, "SELECT @@event_scheduler") == [("OFF",)]


@pytest.mark.parametrize("instant", ["data", "before"])
def test_it_is_killed_midway(context: Context, instant: str) -> None:
    """While it comes, and while one takes the place of the other."""
    target = context.target.database
    replica.end(context)
    with ThreadPoolExecutor() as beside:
        seeding = beside.submit(replica.seed, context)
        watch = 'while ! test -e "$1"; do sleep 0.01; done; kill -9 $(pidof python3)'
        target.shell(watch, f"{ROOM}/{instant}", timeout=600)
        with pytest.raises(MigrateError):
            seeding.result()
    begun_anew(context)


def test_the_source_is_killed_while_it_is_copied(context: Context) -> None:
    source, target = context.source.database, context.target.database
    replica.end(context)
    with ThreadPoolExecutor() as beside:
        seeding = beside.submit(replica.seed, context)
        source.shell("while ! pgrep -x mariadb-backup; do sleep 0.01; done", timeout=600)
        source.shell("kill -9 $(pidof mariadbd)")
        with pytest.raises(StepError, match="is not whole, nothing of it counts"):
            seeding.result()
    assert waits_for(lambda: source.succeeds("mariadb", "-e", "SELECT 1"))
    assert sql(target, "SELECT 1") == [(1,)]
    begun_anew(context)


def test_what_more_the_source_holds_is_not_brought(context: Context) -> None:
    source, target = context.source.database, context.target.database
    replica.end(context)
    sql(source, "CREATE DATABASE billing")
    assert server_copy.why_not(context) == "the source's server holds more than moves: billing"
    replica.seed(context)
    equal(context)
    assert sql(target, "SHOW DATABASES LIKE 'billing'") == []
    sql(source, "DROP DATABASE billing")


def test_the_way_back_leaves_the_target_as_it_was(context: Context) -> None:
    target = context.target.database
    replica.end(context)
    ownership.discard(context)
    nothing_left(target)
    assert "alpha" not in [user for user, *_ in sql(target, USERS)]
