"""What checks say that nothing else here provokes: all of it broken at once, asked once.

Each check is tried on the real thing by this, by `tests/checks` or by `tests/full/test_checks.py`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrate import checks
from migrate.checks import charset, gate, keepalived, listeners, operations, records, translation
from migrate.cloud import Context
from migrate.engine.finding import Finding, Severity
from migrate.services import RECIPES
from tests.checked import check_of
from tests.checks.conftest import assert_is_one_error
from tests.lab.rig import Rig

pytestmark = [pytest.mark.rig, pytest.mark.in_set("bad-input")]
UNTOUCHED = True
CHECKS = tuple(
    check_of(check) for check in (charset, keepalived, listeners, operations, records, translation)
)

# $1 virtual IP, $2 own address
BREAK = r"""
vip=$1 own=$2
mkdir /root/kept /etc/keepalived/more
sets=$(mariadb -N -e 'SELECT @@character_sets_dir')
ln -s "$sets" /root/kept/sets
cp -a /etc/haproxy/haproxy.cfg /etc/keystone/keystone.conf "$sets/Index.xml" /root/kept/
# a collation of the site's own, which a server reads as it starts
ours='<charset name="utf8mb4"><collation name="utf8mb4_ours_ci" id="1401"><rules><reset>a</reset>'
sed -i "s,</charsets>,$ours<s>b</s></rules></collation></charset></charsets>," "$sets/Index.xml"
systemctl restart mariadb
mariadb glance <<'END'
CREATE TABLE ours (a VARCHAR(9)) CHARACTER SET utf8mb4 COLLATE utf8mb4_ours_ci;
INSERT INTO image_locations (image_id, value, created_at, deleted, meta_data, status)
  SELECT id, 'gAAAAABencrypted', NOW(), 0, '{}', 'active' FROM images WHERE status = 'active'
  LIMIT 1;
UPDATE images SET status = 'importing' WHERE name = 'queued';
INSERT INTO images
  (id, status, visibility, created_at, deleted, min_disk, min_ram, protected, os_hidden)
  SELECT UUID(), 'deleted', 'shared', NOW(), 1, 0, 0, 0, 0 FROM seq_1_to_10000;
END
printf '[token]\nexpiration = soon\n' >> /etc/keystone/keystone.conf
printf '%s\n' 'unicast_peer {' ' 192.0.2.66' '}' 'include /opt/site/other.conf' \
  > /etc/keepalived/more/peer.conf
echo 192.0.2.0/24 > /etc/haproxy/ours.lst
cat >> /etc/haproxy/haproxy.cfg <<END

    acl ours src -f /etc/haproxy/ours.lst
listen extra
    bind $vip:5999 transparent
    server here $own:5000
listen inside
    bind $own:8774
    server here $own:5000
END
systemctl reload haproxy
# APIs of their own, beside HAProxy: at every address, and at that of users
systemd-run -q --collect --unit passed-by python3 -c "import socket, time
apis = [socket.create_server(one) for one in (('0.0.0.0', 8776), ('$vip', 9696))]
time.sleep(600)"
printf '%s\n' 'defaults' ' mode http' ' timeout connect 5s' ' timeout client 9s' \
  ' timeout server 9s' 'listen second' " bind $own:8999" " server here $own:5000" > /run/second.cfg
systemd-run -q --collect --unit second-proxy /usr/sbin/haproxy -db -f /run/second.cfg
for port in 8774 8776 8999 9696; do
  for i in $(seq 50); do ss -Hltn "sport = $port" | grep -q . && break; sleep 0.1; done
done
"""
MEND = r"""
systemctl stop second-proxy passed-by || :
mariadb glance -e "DROP TABLE IF EXISTS ours; DELETE FROM image_locations
  WHERE value = 'gAAAAABencrypted'; UPDATE images SET status = 'queued' WHERE name = 'queued';
  DELETE FROM images WHERE status = 'deleted' AND owner IS NULL" || :
cat /root/kept/Index.xml > /root/kept/sets/Index.xml
cat /root/kept/haproxy.cfg > /etc/haproxy/haproxy.cfg
cat /root/kept/keystone.conf > /etc/keystone/keystone.conf
rm -rf /root/kept /etc/keepalived/more /etc/haproxy/ours.lst /run/second.cfg
systemctl reload haproxy
systemctl restart mariadb
"""


@pytest.fixture(scope="module")
def found(rig: Rig) -> list[Finding]:
    """What the checks say of all of it; a source that is whole again says nothing."""
    context: Context = rig.context
    source, vip = context.source.controllers[0], str(context.source.virtual_ips[0].address)
    try:
        source.shell(BREAK, vip, source.address, timeout=180)
        said = asked(context)
    finally:
        source.shell(MEND, timeout=180)
    assert [str(one) for one in asked(context) if one.severity is Severity.ERROR] == []
    return said


def asked(context: Context) -> list[Finding]:
    """All that is found; the gate as of a cloud that has every service, and so their ports."""
    every = replace(context, recipes=RECIPES)
    return checks.run(replace(context, extras={}), CHECKS) + checks.run(every, (check_of(gate),))


@pytest.mark.parametrize(
    "words",
    [
        ("charset", "does not know collation utf8mb4_ours_ci", "glance.ours"),
        ("gate", "another HAProxy listens on", ":8999"),
        ("gate", "python3 listens on 0.0.0.0:8776, where users pass HAProxy by"),
        ("gate", "python3 listens on", ":9696, where users pass HAProxy by"),
        ("gate", ":8774: closed, it would refuse migrate's own calls to"),
        ("keepalived", "has the peer 192.0.2.66"),
        ("keepalived", "includes /opt/site/other.conf, which is not read"),
        ("listeners", ":5999 there, which the target would not serve"),
        ("listeners", "'acl ours src -f /etc/haproxy/ours.lst', which the target's"),
        ("configuration", "expiration"),
        ("images", "has a location that cannot be read"),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_each_is_an_error_with_a_remedy(found: list[Finding], words: tuple[str, ...]) -> None:
    assert_is_one_error(found, *words)


@pytest.mark.parametrize(
    "words",
    [
        ("operations", "image 'queued'", "is importing"),  # holds a cutover up, and is no error
        ("records", "10000 deleted images were never purged"),
    ],
    ids=lambda words: words[0],
)
def test_each_is_a_warning_with_a_remedy(found: list[Finding], words: tuple[str, ...]) -> None:
    check, *said = words
    of = [one for one in found if one.check == check and all(word in one.message for word in said)]
    assert [one.severity for one in of] == [Severity.WARNING]
    assert of[0].remedy
