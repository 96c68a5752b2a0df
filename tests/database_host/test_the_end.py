"""Over for good: the host stays fenced, and has nothing else of ours. The last of all."""

from __future__ import annotations

import pytest

from migrate.database.replication import account
from migrate.onhost import call
from tests.faults.bench import Bench

pytestmark = [pytest.mark.rig, pytest.mark.in_set("database-host")]


def test_the_end_leaves_it_fenced_and_nothing_else_of_ours(bench: Bench) -> None:
    bench.decide()
    for command in ("follow", "cutover"):
        bench.well(command)
    bench.well("verify")
    bench.well("finish", "--execute", "--past", "finish.mark")
    source = bench.database()
    assert call(source, "mariadb.unfenced") == []
    assert account.left(source) == []
    assert call(source, "reopen_timer.state")["state"] == "absent"
    assert source.run("ls", "/var/lib/migrate").split() == ["database.json"]
    bench.power_off("database")
    assert "nothing" in bench.run("status").said
