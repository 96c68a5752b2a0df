"""A source on which more runs than the recipes move: everything broken at once, asked once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrate import checks
from migrate.checks import scope
from migrate.checks.finding import Finding, Severity
from migrate.cloud import Context
from migrate.host import Host
from tests.checks.conftest import errors

pytestmark = pytest.mark.rig
CHECKS = (scope.CHECK,)

# holds a connection for as long as it lives; what it says makes its server keep it
HOLD = """
import socket, sys, time
held = [socket.create_connection((sys.argv[1], int(port))) for port in sys.argv[2:]]
time.sleep(3600)
"""
LISTEN = """
import socket, sys, time
held = [socket.create_server((address or "0.0.0.0", int(port)))
        for address, _, port in (one.rpartition(":") for one in sys.argv[1:])]
time.sleep(3600)
"""
BREAK = """
vip=$1
mkdir -p /opt/test; cat > /opt/test/hold.py <<'END'
@HOLD@
END
cat > /opt/test/listen.py <<'END'
@LISTEN@
END
run() { systemd-run -q --collect --unit "$@"; }
run billing-api python3 /opt/test/hold.py "$vip" 3306 11211
run octavia-api python3 /opt/test/listen.py "$vip":9876
run designate-worker python3 /opt/test/hold.py "$vip" 5672
run status-page python3 /opt/test/listen.py :8181
run node_exporter python3 /opt/test/listen.py :9100
run cinder-backup sleep 3600
mariadb <<'END'
CREATE DATABASE octavia; CREATE TABLE octavia.lb (id INT PRIMARY KEY);
CREATE DATABASE invoices; CREATE TABLE invoices.one (id INT PRIMARY KEY);
CREATE DATABASE bare;
END
"""
MEND = """
systemctl stop billing-api octavia-api designate-worker status-page node_exporter cinder-backup || :
rm -rf /opt/test
mariadb -e 'DROP DATABASE IF EXISTS octavia; DROP DATABASE IF EXISTS invoices;
  DROP DATABASE IF EXISTS bare'
"""


@pytest.fixture(scope="module")
def whole(context: Context) -> list[Finding]:
    return [one for check in CHECKS for one in errors(check, context)]


@pytest.fixture(scope="module")
def found(context: Context, source: Host, whole: list[Finding]) -> Iterator[list[Finding]]:
    """What the checks say of all of it, by one run of them."""
    vip = str(context.source.virtual_ips[0].address)
    broken = BREAK.replace("@HOLD@", HOLD).replace("@LISTEN@", LISTEN)
    try:
        source.shell(broken, vip)
        yield checks.run(context, CHECKS)
    finally:
        source.shell(MEND)


def test_a_source_as_it_should_be_has_no_error(whole: list[Finding]) -> None:
    assert not whole


@pytest.mark.parametrize(
    ("thing", "seen"),
    [
        ("billing-api", ("connected to the database", "connected to the cache")),
        ("octavia", ("octavia-api.service runs", ":9876", "database octavia holds 1 table")),
        ("designate", ("designate-worker.service runs", "connected to the broker")),
        ("status-page", ("listens on *:8181",)),
        ("cinder-backup", ("cinder-backup.service runs",)),
        ("invoices", ("database invoices holds 1 table",)),
    ],
)
def test_each_thing_is_one_error_with_a_remedy(
    found: list[Finding], thing: str, seen: tuple[str, ...]
) -> None:
    of = [one for one in found if one.message.startswith(f"{thing} is moved by no recipe")]
    assert len(of) == 1, [str(one) for one in found]
    assert of[0].severity is Severity.ERROR
    assert all(word in of[0].message for word in seen), of[0].message
    assert f"sidestep:leave: ['{thing}']" in of[0].remedy


def test_nothing_else_is_told(found: list[Finding]) -> None:
    things = {one.message.split()[0] for one in found if one.check == scope.NAME}
    expected = {"billing-api", "octavia", "designate", "status-page", "cinder-backup", "invoices"}
    assert things == expected
