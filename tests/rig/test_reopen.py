"""A dead operator cannot leave the cloud closed: the source reopens itself, also after a reboot."""

from __future__ import annotations

import time

import pytest

from migrate.cloud import Context
from migrate.errors import StepError
from migrate.onhost import call, sources
from migrate.takeover import fence
from migrate.takeover.gate import close, reopen_timer
from tests.rig.test_window import reboot
from tests.wait import waits_for

pytestmark = [pytest.mark.rig, pytest.mark.in_set("reopen")]
STATE = """
cat /etc/haproxy/haproxy.cfg
systemctl is-enabled keystone glance-api keepalived haproxy mariadb || true
systemctl is-active keystone glance-api keepalived haproxy mariadb rabbitmq-server || true
mariadb -N -e 'SELECT @@global.read_only'
ls /etc/mysql/mariadb.conf.d /etc/systemd/system
ip -br -4 address show host0 | cut -d @ -f 1
ip -br -4 address show host0 | grep -o '[0-9.]*/.*'
"""


def close_and_fence(context: Context, seconds: float) -> None:
    """As the window does, by an operator who then dies."""
    for host in context.source.controllers:
        call(host, "reopen_timer.arm", dict(sources("reopen_timer")), seconds)
    close.close(context, "users")
    close.close(context, "all")
    fence.fence_control(context)
    fence.fence_database(context)
    for host in context.source.controllers:
        call(host, "virtual_ip.fence")


def reopened(context: Context) -> bool:
    found = [call(host, "reopen_timer.state") for host in context.source.controllers]
    return all(one["state"] == "reopened" for one in found)


def test_it_reopens_what_was_closed(context: Context) -> None:
    source = context.source.controllers[0]
    before = source.shell(STATE)
    close_and_fence(context, 60)
    assert not reopened(context)
    assert close.closed(context, "all")
    assert waits_for(lambda: reopened(context), 300)
    timer_says(context)
    reopen_timer.remove(context)
    assert source.shell(STATE) == before
    assert not source.exists("/var/lib/migrate")


def timer_says(context: Context) -> None:
    """The run that comes back after that is told, and does not move the address."""
    with pytest.raises(StepError, match="no more kept closed"):
        reopen_timer.disarm(context)
    with pytest.raises(StepError, match="no more kept closed"):
        reopen_timer.left(context)


def test_only_going_back_moves_it_on(context: Context) -> None:
    source = context.source.controllers[0]
    call(source, "reopen_timer.arm", dict(sources("reopen_timer")), 4)
    assert reopen_timer.left(context) == pytest.approx(4 - reopen_timer.RESERVE_SECONDS, abs=2)
    reopen_timer.extend(context)
    time.sleep(5)
    assert call(source, "reopen_timer.state")["state"] == "armed"
    reopen_timer.disarm(context)
    assert reopen_timer.disarmed(context)
    assert reopen_timer.left(context) is None
    # a run that goes on does not arm it again over a target that serves
    assert reopen_timer.armed(context)
    reopen_timer.extend(context)
    time.sleep(2)
    assert call(source, "reopen_timer.state")["state"] == "disarmed"
    reopen_timer.remove(context)
    assert not reopen_timer.armed(context)


def test_it_reopens_after_a_reboot_in_the_window(context: Context) -> None:
    source = context.source.controllers[0]
    before = source.shell(STATE)
    close_and_fence(context, 90)
    reboot(source)
    assert fence.control_alive(context) == [] or reopened(context)
    assert waits_for(lambda: reopened(context), 300)
    reopen_timer.remove(context)
    waits_for(lambda: source.shell(STATE) == before)
    assert source.shell(STATE) == before
