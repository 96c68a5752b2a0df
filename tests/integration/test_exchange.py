"""A unit starts another release's program and goes back, by a real systemd."""

from __future__ import annotations

from typing import Any

import pytest

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.onhost import call

pytestmark = pytest.mark.integration
NAME, NOTE, OURS = "some-agent", "settle-test", "/opt/openstack/2026.1"
DROP_IN = f"/etc/systemd/system/{NAME}.service.d/sidestep.conf"
OLD = {"program": f"/usr/bin/{NAME}", "user": "nobody", "arguments": ["--x=1"]}
NEW = {**OLD, "program": f"{OURS}/bin/{NAME}"}
MAKE = f"""
install -d {OURS}/bin
for folder in /usr/bin {OURS}/bin; do
  printf '#!/usr/bin/python3\\nimport time\\ntime.sleep(1e6)\\n' >$folder/{NAME}
  chmod 755 $folder/{NAME}
done
cat >/etc/systemd/system/{NAME}.service <<X
[Service]
User=nobody
ExecStart=/usr/bin/{NAME} --x=1
X
systemctl daemon-reload; systemctl restart {NAME}
"""
ROWS = [
    [
        DROP_IN,
        f"[Service]\nExecStart=\nExecStart={OURS}/bin/{NAME} --x=1\n",
        0o644,
        "root:root",
    ],
    [
        "/etc/sudoers.d/sidestep-test",
        "nobody ALL = (root) NOPASSWD: /bin/true\n",
        0o440,
        "root:root",
    ],
]


@pytest.fixture
def host(two_databases: Context) -> Host:
    found = two_databases.target.controllers[0]
    found.shell(MAKE)
    assert runs(found) == OLD
    return found


def runs(host: Host) -> Any:
    return call(host, "exchange.running", [NAME]).get(NAME)


def forward(host: Host) -> None:
    assert call(host, "exchange.forward", NOTE, ROWS, {NAME: OLD}, 30) == []
    assert runs(host) == NEW


def back(host: Host, seconds: float = 30) -> None:
    assert call(host, "exchange.back", NOTE, [NAME], OURS, seconds) == []


def is_as_it_was(host: Host) -> None:
    host.shell(f"until systemctl is-active -q {NAME}; do sleep 0.1; done")
    assert runs(host) == OLD
    assert not host.exists(DROP_IN)
    assert not host.exists(f"/etc/systemd/system/{NAME}.service.d")
    assert not host.exists("/etc/sudoers.d/sidestep-test")
    assert not host.exists("/var/lib/migrate/settle-restart.json")
    assert not host.exists("/var/lib/migrate/settle-before.json")


def test_over_again_and_back(host: Host) -> None:
    forward(host)
    forward(host)
    back(host)
    is_as_it_was(host)
    pid = host.run("systemctl", "show", "-P", "MainPID", NAME)
    back(host)
    assert host.run("systemctl", "show", "-P", "MainPID", NAME) == pid


def test_nobody_waits_where_who_is_asked_first_may_be_dead(host: Host) -> None:
    forward(host)
    back(host, 0)
    is_as_it_was(host)


def test_one_that_has_died_since_runs_again(host: Host) -> None:
    forward(host)
    host.run("systemctl", "stop", NAME)
    back(host)
    is_as_it_was(host)


def test_killed_after_its_files_were_gone_it_is_still_restarted(host: Host) -> None:
    forward(host)
    call(host, "record.save", "settle-restart", {"units": [NAME]})
    call(host, "undo.undo", NOTE)
    host.run("systemctl", "stop", NAME)
    back(host)
    is_as_it_was(host)


def test_rights_that_sudo_does_not_understand_touch_no_unit(host: Host) -> None:
    wrong = [ROWS[0], [ROWS[1][0], "nobody ALL = nonsense nonsense\n", 0o440, "root:root"]]
    with pytest.raises(Exception, match="visudo"):
        call(host, "exchange.forward", NOTE, wrong, {NAME: OLD}, 30)
    assert runs(host) == OLD
    back(host)
    is_as_it_was(host)
