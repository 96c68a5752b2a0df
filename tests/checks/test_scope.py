"""A source that is not what the recipes move: everything wrong with it at once, asked once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrate import checks
from migrate.checks import accounts, backends, endpoints, keepalived, scope, shape
from migrate.checks.finding import Finding, Severity
from migrate.cloud import Context, admin
from migrate.host import Host
from tests.checks.conftest import errors

pytestmark = pytest.mark.rig
CHECKS = (
    scope.CHECK,
    shape.CHECK,
    keepalived.CHECK,
    endpoints.CHECK,
    backends.CHECK,
    accounts.CHECK,
)

HOLD = """
import socket, sys, time
held = [socket.create_connection((sys.argv[1], int(port))) for port in sys.argv[2:]]
time.sleep(3600)
"""
LISTEN = """
import socket, sys, time
ends = [one.rpartition(":") for one in sys.argv[1:]]
held = [socket.create_server((address or "0.0.0.0", int(port))) for address, _, port in ends]
time.sleep(3600)
"""
BREAK = """
vip=$1 own=$2
mkdir -p /opt/test /etc/keepalived/more; cat > /opt/test/hold.py <<'END'
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
for unit in cinder-backup nova-compute pacemaker ovn-northd; do run $unit sleep 3600; done
cp -p /etc/glance/glance-api.conf /etc/keystone/keystone.conf /opt/test/
sed -i -e "/^connection/s,@$vip/,@$own/," -e '/^enabled_backends/s/$/, rbd1:rbd/' \\
  /etc/glance/glance-api.conf
sed -i '/^connection/s,//[^@]*@,//root:nothing@,' /etc/keystone/keystone.conf
printf 'vrrp_instance two {\\n virtual_ipaddress {\\n  192.0.2.77/32\\n }\\n}\\n' \\
  > /etc/keepalived/more/two.conf
mariadb <<END
CREATE DATABASE octavia; CREATE TABLE octavia.lb (id INT PRIMARY KEY);
CREATE DATABASE invoices; CREATE TABLE invoices.one (id INT PRIMARY KEY);
CREATE DATABASE bare;
RENAME USER glance@'%' TO glance@'$own';
CREATE ROLE writers; GRANT READ_ONLY ADMIN ON *.* TO writers; GRANT writers TO glance@'$own';
INSTALL SONAME 'auth_ed25519';
CREATE USER glance@'192.0.2.1' IDENTIFIED VIA ed25519 USING PASSWORD('nobody');
END
"""
MEND = """
own=$1
systemctl stop billing-api octavia-api designate-worker status-page node_exporter cinder-backup \\
  nova-compute pacemaker ovn-northd || :
cp -p /opt/test/glance-api.conf /etc/glance/; cp -p /opt/test/keystone.conf /etc/keystone/
rm -rf /opt/test /etc/keepalived/more
mariadb <<END
DROP DATABASE octavia; DROP DATABASE invoices; DROP DATABASE bare;
DROP USER glance@'192.0.2.1'; UNINSTALL SONAME 'auth_ed25519';
DROP ROLE writers; RENAME USER glance@'$own' TO glance@'%';
END
"""


@pytest.fixture(scope="module")
def whole(context: Context) -> list[Finding]:
    return [one for check in CHECKS for one in errors(check, context)]


@pytest.fixture(scope="module")
def found(context: Context, source: Host, whole: list[Finding]) -> Iterator[list[Finding]]:
    """What the checks say of all of it, by one run of them."""
    assert not whole
    vip, own = str(context.source.virtual_ips[0].address), source.address
    broken = BREAK.replace("@HOLD@", HOLD).replace("@LISTEN@", LISTEN)
    keystone = admin(context).identity
    service = keystone.create_service(type="load-balancer", name="octavia")
    image = next(iter(keystone.services(type="image")))
    made = [
        keystone.create_endpoint(service_id=one.id, interface="internal", url=url)
        for one, url in ((service, f"http://{vip}:9876"), (image, f"http://{own}:9292"))
    ]
    try:
        source.shell(broken, vip, own)
        yield checks.run(context, CHECKS)
    finally:
        source.shell(MEND, own)
        for one in made:
            keystone.delete_endpoint(one)
        keystone.delete_service(service)


def test_a_source_as_it_should_be_has_no_error(whole: list[Finding]) -> None:
    assert not whole


@pytest.mark.parametrize(
    ("thing", "seen"),
    [
        ("billing-api", ("connected to the database", "connected to the cache")),
        (
            "octavia",
            (
                "octavia-api.service runs",
                ":9876",
                "database octavia holds 1 table",
                "the catalogue has load-balancer",
            ),
        ),
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


def test_nothing_else_is_in_scope(found: list[Finding]) -> None:
    things = {one.message.split()[0] for one in found if one.check == scope.NAME}
    expected = {"billing-api", "octavia", "designate", "status-page", "cinder-backup", "invoices"}
    assert things == expected


@pytest.mark.parametrize(
    "words",
    [
        (shape.NAME, "pacemaker manages"),
        (shape.NAME, "ovn-northd runs"),
        (shape.NAME, "all-in-one"),
        (keepalived.NAME, "2 VRRP instances"),
        (keepalived.NAME, "carries 192.0.2.77 too"),
        (endpoints.NAME, "endpoint of image", ":9292, and", "no virtual IP"),
        (backends.NAME, "glance's store rbd1 is of kind rbd"),
        (accounts.NAME, "keystone logs in as root"),
        (accounts.NAME, "may take role writers with READ_ONLY ADMIN"),
        (accounts.NAME, "on the target, and its accounts are for"),
        (accounts.NAME, "logs in by ed25519"),
    ],
    ids=lambda words: words[1],
)
def test_each_is_an_error_with_a_remedy(found: list[Finding], words: tuple[str, ...]) -> None:
    check, *said = words
    of = [one for one in found if one.check == check and all(word in one.message for word in said)]
    assert len(of) == 1, [str(one) for one in found]
    assert of[0].severity is Severity.ERROR
    assert of[0].remedy
