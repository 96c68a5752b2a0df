"""The seed of a replica: by several streams of one instant, under a writer; whole or begun anew."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from migrate.cloud import Context
from migrate.database import connection, copy, ownership, progress
from migrate.database.replication import proven, replica
from migrate.errors import MigrateError, StepError
from tests.disks import empty, fill, on_its_own_disk
from tests.integration import seeded
from tests.integration.seeded import equal, written
from tests.statements import sql
from tests.wait import waits_for

pytestmark = [pytest.mark.integration, pytest.mark.in_set("replica-seed"), pytest.mark.in_order]
HELD = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE '%backup%'"


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    with seeded.running() as made:
        made.source.database.run("rm", "/usr/bin/mariadb-backup")  # by which it would be copied
        yield made


def not_believed(context: Context) -> None:
    """Nothing counts of what came, and nobody waits on the source."""
    assert not copy.passed(context)
    with connection.session(context.target.database) as link:
        assert not progress.ever(link, progress.SEED)
    assert waits_for(lambda: sql(context.source.database, HELD) == [(0,)])
    assert not replica.follows(context)


def test_all_streams_see_one_instant_under_a_writer(context: Context) -> None:
    target = context.target.database
    with written(context) as done:
        assert waits_for(lambda: done[0] > 10)
        replica.seed(context)
        ((here,),) = sql(target, "SELECT n FROM alpha.one")
        assert sql(target, "SELECT n FROM `beta-1`.other") == [(here,)]
        assert 0 < here < done[0]
        equal(context)
        assert proven.proof(context)
    # what came is in no log of the target's own
    logged = target.shell("cat /var/lib/mysql/binlog.0* | grep -c 'alpha.*many' || true")
    assert logged.strip() == "0"


def test_triggers_did_not_act_on_what_came(context: Context) -> None:
    target = context.target.database
    rows = "SELECT COUNT(*) FROM alpha.bare WHERE b = 'by trigger'"
    assert sql(target, rows) == sql(context.source.database, rows)
    assert sql(target, "SELECT DISTINCT t FROM alpha.zparent") == [("näme",)]
    assert sql(target, "SELECT @@global.event_scheduler") == [("OFF",)]


def test_it_is_killed_midway(context: Context) -> None:
    target = context.target.database
    with ThreadPoolExecutor() as beside:
        seeding = beside.submit(replica.seed, context)
        assert waits_for(lambda: target.succeeds("pgrep", "-x", "mariadb"), 120)
        target.shell("kill -9 $(ps -o ppid= -p $(pgrep -x mariadb | head -n 1))")
        with pytest.raises(MigrateError):
            seeding.result()
    not_believed(context)
    equal(context)


def test_the_disk_of_the_target_is_full(context: Context) -> None:
    target = context.target.database
    on_its_own_disk(target)
    replica.end(context)
    ownership.discard(context)
    fill(target, 3)
    with pytest.raises(StepError, match="is not whole, nothing of it counts"):
        replica.seed(context)
    not_believed(context)
    empty(target)
    equal(context)
