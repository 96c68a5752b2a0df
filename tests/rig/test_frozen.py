"""What acts on the source is frozen as it runs: it goes on, or ends without a last act."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.errors import MigrateError
from migrate.onhost import call
from tests.wait import waits_for

pytestmark = pytest.mark.rig

# a worker and its child count on; asked to end it tidies up
ACTS = """[Service]
ExecStart=/bin/sh -c 'trap "echo tidied >>/run/acts; exit" TERM; /bin/sh -c \
"while :; do echo . >>/run/acts; sleep 0.1; done" & while :; do sleep 0.1; done'
Restart=always
"""
WANTED: dict[str, Any] = {
    **{"projects": ["acts"], "users": [], "kept": [], "ports": [3306]},
    **{"control": ["acts", "answers"], "answering": ["answers"]},
}


def units(host: Host) -> None:
    host.write("/etc/systemd/system/acts.service", ACTS, mode=0o644)
    answers = "[Service]\nExecStart=/bin/sleep 1000\n"
    host.write("/etc/systemd/system/answers.service", answers, mode=0o644)
    host.shell("systemctl daemon-reload; systemctl start acts answers")


@pytest.fixture
def source(context: Context) -> Iterator[Host]:
    host = context.source.holder
    units(host)
    yield host
    call(host, "fence.lift", 20.0)
    host.shell(
        "systemctl stop acts answers; rm -f /etc/systemd/system/acts.service "
        "/etc/systemd/system/answers.service /run/acts; systemctl daemon-reload"
    )


def count(host: Host) -> int:
    return len(host.read("/run/acts").split())


def goes_on(host: Host) -> bool:
    before = count(host)
    time.sleep(1)
    return count(host) > before


def pids(host: Host) -> set[str]:
    return set(host.shell("cat /sys/fs/cgroup/system.slice/acts.service/cgroup.procs").split())


def test_it_goes_on_as_if_nothing_had_been(source: Host) -> None:
    assert waits_for(lambda: goes_on(source))
    main = source.run("systemctl", "show", "-P", "MainPID", "acts")
    call(source, "fence.freeze", WANTED)
    assert call(source, "fence.moving", WANTED) == []
    assert not goes_on(source)
    assert call(source, "fence.acting", WANTED) != []  # frozen, but there
    assert call(source, "fence.lift", 20.0) == []
    assert waits_for(lambda: goes_on(source))
    assert source.run("systemctl", "show", "-P", "MainPID", "acts") == main
    with pytest.raises(MigrateError, match="the source goes on"):
        call(source, "fence.end_frozen", WANTED)  # by who comes late


def test_it_ends_without_a_last_act_and_what_answers_lives(source: Host) -> None:
    assert waits_for(lambda: goes_on(source))
    call(source, "fence.freeze", WANTED)
    before = count(source)
    call(source, "fence.end_frozen", WANTED)
    assert call(source, "fence.acting", WANTED) == []
    assert count(source) == before
    assert source.succeeds("systemctl", "is-active", "--quiet", "answers")
    assert any("answers" in one for one in call(source, "fence.unfenced", WANTED))
    assert not source.succeeds("systemctl", "start", "acts")
    call(source, "fence.fence", WANTED, 1.0)
    assert call(source, "fence.unfenced", WANTED) == []
    assert call(source, "fence.lift", 20.0) == []
    assert waits_for(lambda: goes_on(source))
    assert source.succeeds("systemctl", "is-active", "--quiet", "answers")
