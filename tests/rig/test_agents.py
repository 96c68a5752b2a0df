"""Agents that are slow to end are restarted all the same, and nothing but they is killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from migrate.cloud.host import Host
from migrate.onhost import call

pytestmark = [pytest.mark.rig, pytest.mark.in_set("gate")]

NAME = "slow-agent"
# the main process ends when it is told to; its child does not, and carries traffic for all we know
MAKE = """
cat >/run/slow-agent <<'END'
bash -c 'trap "" TERM; while :; do sleep 1; done' &
trap 'exit 0' TERM
while :; do sleep 1; done
END
cat >/run/systemd/system/slow-agent.service <<END
[Service]
ExecStart=/bin/bash /run/slow-agent
TimeoutStopSec=60
KillMode=$1
END
systemctl daemon-reload
systemctl start slow-agent
"""
REMOVE = """
systemctl kill -s KILL slow-agent || true
systemctl stop slow-agent || true
rm -f /run/slow-agent /run/systemd/system/slow-agent.service
systemctl daemon-reload
"""


@pytest.fixture
def host(rig: Any) -> Iterator[Host]:
    source: Host = rig.context.source.controllers[0]
    yield source
    source.shell(REMOVE)


def processes(host: Host) -> list[str]:
    """Main process, then its child."""
    main = host.run("systemctl", "show", "-P", "MainPID", NAME).strip()
    return [main, *host.run("pgrep", "-P", main, "bash").split()]


@pytest.mark.parametrize("mode", ["control-group", "process"])
def test_an_agent_whose_child_stays_is_restarted(host: Host, mode: str) -> None:
    host.shell(MAKE, mode)
    main, child = processes(host)
    call(host, "agents.note", [NAME])
    assert call(host, "agents.noted") == [f"{NAME}.service"]
    assert call(host, "agents.reconnect", 30.0, timeout=60) == []
    assert call(host, "agents.state") == "reconnected"
    assert processes(host)[0] not in (main, "0")
    assert host.exists(f"/proc/{child}") is (mode == "process")
    assert call(host, "agents.forget", 30.0, timeout=60) == []
