"""An operator who dies with the database apart: both hosts reopen, the database's first."""

from __future__ import annotations

import pytest

from migrate.cloud import Context
from migrate.database.baseline import read_only
from migrate.errors import StepError
from migrate.onhost import call
from migrate.takeover import fence
from migrate.takeover.gate import close, reopen_timer
from tests.faults.bench import Bench
from tests.lab import identity
from tests.lab import rig as rigs
from tests.rig.test_window import reboot
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("database-host")]
STATE = """
ls /var/lib/migrate /etc/mysql/mariadb.conf.d /etc/systemd/system 2>&1 | sort || true
systemctl is-enabled keystone glance-api keepalived haproxy mariadb 2>&1 || true
systemctl is-active keystone glance-api keepalived haproxy mariadb 2>&1 || true
"""


def close_and_fence(context: Context, seconds: float) -> None:
    """As the window does, by an operator who then dies."""
    reopen_timer.arm_for(context, seconds)
    close.close(context, "users")
    close.close(context, "all")
    fence.fence_control(context)
    fence.fence_database(context)
    fence.fence_manager(context)
    assert fence.control_is_fenced(context)
    assert fence.database_is_fenced(context)
    assert read_only(context.source.database)


def reopened(context: Context) -> bool:
    states = [call(host, "reopen_timer.state")["state"] for host in context.source.core]
    return all(one == "reopened" for one in states)


def opened(context: Context) -> list[float]:
    """When the controller was through, and the database's host, by their records."""
    return [float(call(host, "record.load", "reopen")["deadline"]) for host in context.source.core]


def test_both_reopen_also_where_the_databases_host_boots(bench: Bench) -> None:
    context = bench.context
    before = [host.shell(STATE) for host in context.source.core]
    close_and_fence(context, 120)
    server = context.source.database
    reboot(server)
    assert waits_for(lambda: call(server, "mariadb.present"))
    if not reopened(context):
        assert call(server, "mariadb.unfenced") == [] or not read_only(server)
    assert waits_for(lambda: reopened(context), 400)
    controller, database = opened(context)
    assert database < controller
    assert not read_only(server)
    assert bench.serves() == []
    with pytest.raises(StepError, match="no more kept closed"):
        reopen_timer.disarm(context)
    reopen_timer.remove(context)
    assert [host.shell(STATE) for host in context.source.core] == before


def test_a_controller_waits_for_the_database(bench: Bench) -> None:
    """Its timer is over, and the database is read-only still: it opens when that is not."""
    context = bench.context
    close_and_fence(context, 600)
    server, controller = context.source.database, context.source.tools
    kept = call(controller, "record.load", "reopen")
    assert kept["databases"][0][:2] == ["database", "connection"]
    call(controller, "record.save", "reopen", {**kept, "deadline": 0.0})
    assert waits_for(lambda: call(controller, "reopen_timer.state")["state"] == "reopening", 30)
    assert close.closed(context, "all")
    call(server, "mariadb.lift")
    assert waits_for(lambda: not close.closed(context, "all"), 200)
    assert bench.serves() == []
    reopen_timer.remove(context)


def test_who_works_in_the_database_from_anywhere_is_seen(bench: Bench) -> None:
    context = bench.context
    server = context.source.database
    assert bench.serves() == []
    identity.connect(rigs.rig()).authorize()  # a daemon that has just begun has asked nothing yet
    assert call(server, "mariadb.sessions", ["keystone"], 0) != []
    assert call(server, "mariadb.sessions", ["nobody"], 0) == []
