"""The whole pass where the source's server itself is the seed, and back."""

from __future__ import annotations

import pytest

from migrate.database import connection
from migrate.onhost import server_swap
from tests import backup_tool
from tests.database_host.test_pass import changed
from tests.faults.bench import Bench

pytestmark = [pytest.mark.rig, pytest.mark.in_set("database-host")]
USERS = "SELECT user FROM mysql.user ORDER BY user"


def users(bench: Bench) -> list[str]:
    with connection.session(bench.context.target.database) as link:
        return [str(row[0]) for row in connection.rows(link, USERS)]


def test_over_and_back_without_a_trace(bench: Bench) -> None:
    backup_tool.give(bench.context)
    found, own = bench.picture(), users(bench)
    assert "by mariadb-backup" in bench.run("plan").said
    bench.well("follow")
    assert "followed, begun by mariadb-backup" in bench.run("status").said
    assert {*own} <= {*users(bench)}
    assert not bench.target().exists(f"/var/lib/mysql/{server_swap.INSIDE}")
    bench.well("cutover")
    assert "0 differ" in bench.well("verify").said
    bench.well("rollback")
    assert bench.serves() == []
    assert changed(found, bench) == []
    assert users(bench) == own
    backup_tool.take_away(bench.context)
