"""A daemon gets its file and starts with it, by a real systemd."""

from __future__ import annotations

import pytest

from infra.controller import Place
from infra.controller.daemons import Daemon
from infra.controller.files import File
from migrate.cloud import Context
from migrate.cloud.host import Host

pytestmark = pytest.mark.integration
NAME, FILE, LOG = "slow-daemon", "/etc/slow-daemon.conf", "/run/slow-daemon.log"
MAKE = f"""
rm -f {FILE}; echo none >{LOG}
cat >/usr/local/bin/{NAME} <<'X'
#!/bin/bash
trap 'echo ended >>{LOG}; exit 0' TERM
echo "began $(cat {FILE} 2>/dev/null)" >>{LOG}
sleep 3
echo ready >>{LOG}
systemd-notify --ready
while :; do sleep 0.1; done
X
chmod 755 /usr/local/bin/{NAME}
cat >/etc/systemd/system/{NAME}.service <<X
[Service]
Type=notify
NotifyAccess=all
ExecStart=/usr/local/bin/{NAME}
[Install]
WantedBy=multi-user.target
X
systemctl daemon-reload
"""
PLACE = Place(release="2026.1", address="10.0.0.1", virtual_ips=())
DAEMON = Daemon(f"{NAME}.service", lambda _: [File(FILE, "new\n")])


@pytest.fixture
def host(two_databases: Context) -> Host:
    found = two_databases.target.controllers[0]
    found.shell(MAKE)
    return found


def log(host: Host) -> list[str]:
    return host.read(LOG).split("\n")[1:-1]


def test_one_that_is_starting_comes_up_before_it_is_restarted(host: Host) -> None:
    host.shell(f"systemctl start --no-block {NAME}; until grep -q began {LOG}; do sleep 0.1; done")
    DAEMON.apply(host, PLACE)
    assert log(host) == ["began ", "ready", "ended", "began new", "ready"]
    assert DAEMON.read(host, PLACE) == DAEMON.wanted(PLACE)
    DAEMON.remove(host, PLACE)


def test_one_that_is_off_starts_once(host: Host) -> None:
    DAEMON.apply(host, PLACE)
    assert log(host) == ["began new", "ready"]
    DAEMON.apply(host, PLACE)
    assert log(host) == ["began new", "ready"] or log(host)[2:] == ["ended", "began new", "ready"]
    DAEMON.remove(host, PLACE)
    assert not host.exists(FILE)
