"""HAProxy's configuration as operators write it: closed and seen to be, or refused before.

Each case is a file that a real HAProxy runs by. `migrate check` says whether it can be closed; if
so it is closed, tried from a stranger's and from the cloud's own machine, and put back as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from migrate.checks import gate
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.onhost import call, knock
from migrate.phases.plan import CLOSED_TO_ALL, CLOSED_TO_USERS
from migrate.takeover import proxy
from migrate.takeover.gate import close, proof
from migrate.takeover.gate.haproxy import MESSAGE
from tests.checked import check_of
from tests.checks.conftest import assert_is_one_error

pytestmark = [pytest.mark.rig, pytest.mark.in_set("gate")]

CONFIG = "/etc/haproxy/haproxy.cfg"
LOOK = """
find /etc/haproxy /run/haproxy* -printf '%p %y %m %u %g %l\\n' | sort
find /etc/haproxy -type f -exec sha256sum {} + | sort
ls -A /var/lib/migrate 2>&1 || true
"""
KEEP = """
systemctl stop haproxy
rm -rf /root/haproxy.kept; cp -a /etc/haproxy /root/haproxy.kept; cp -a /etc/hosts /root/hosts.kept
"""
BACK = """
rm -rf /etc/haproxy; mv /root/haproxy.kept /etc/haproxy; cat /root/hosts.kept > /etc/hosts
rm -rf /etc/systemd/system/haproxy.service.d /run/haproxy/503.http; systemctl daemon-reload
systemctl reset-failed haproxy; systemctl restart haproxy
"""


@dataclass(frozen=True)
class Case:
    """*text* is what `listen keystone` becomes; *refused* is what `migrate check` says then."""

    name: str
    text: str
    refused: str = ""
    ports: tuple[int, ...] = (5000,)
    prepare: str = ""  # done on the machine, where the file lies already


KEYSTONE = "listen keystone\n    bind {bind}\n    server here {ip}:5000\n"


def bound(name: str, bind: str, **more: object) -> Case:
    return Case(name, KEYSTONE.replace("{bind}", bind), **more)  # type: ignore[arg-type]


CASES = [
    Case("indented", "  listen keystone\n  bind {vip}:5000\n  server here {ip}:5000\n"),
    bound("with-a-family", "ipv4@{vip}:5000"),
    bound("quoted", '"{vip}:5000"'),
    bound("by-name", "controller:5000", prepare="echo '{vip} controller' >> /etc/hosts"),
    Case("statistics-inside", KEYSTONE.replace("{bind}", "{vip}:5000") + "    stats enable\n"),
    bound("a-range", "{vip}:5000-5002", ports=(5000, 5001, 5002)),
    Case(
        "no-mode",
        "defaults\n    timeout connect 5s\n    timeout client 9s\n    timeout server 9s\n"
        "listen web\n    bind {vip}:443\n    server here {ip}:5000\n",
        ports=(443,),
    ),
    Case(
        "several-files",
        "",
        prepare="""
        mkdir /etc/haproxy/conf.d /etc/systemd/system/haproxy.service.d
        printf 'listen keystone\\n    bind {vip}:5000\\n    server here {ip}:5000\\n' \
            > /etc/haproxy/conf.d/keystone.cfg
        printf 'listen nonsense' > /etc/haproxy/conf.d/keystone.cfg.dpkg-old
        printf '[Service]\\nEnvironment="EXTRAOPTS=-f conf.d/"\\nWorkingDirectory=/etc/haproxy\\n' \
            > /etc/systemd/system/haproxy.service.d/more.conf
        systemctl daemon-reload""",
    ),
    Case(
        "a-port-by-a-variable",
        "global\n    presetenv PORT 5000\n" + KEYSTONE.replace("{bind}", '"{vip}:${PORT}"'),
        refused="no section binds",
    ),
    # IPv4 and IPv6 apart, the server by the network that was called
    # (juju/charm-helpers, haproxy.cfg; ocf/puppet#947)
    Case(
        "both-families",
        "frontend tcp-in_keystone\n    mode tcp\n    bind *:5001\n    bind :::5001 v6only\n"
        "    acl net_in dst {ip}/24\n    use_backend keystone_in if net_in\n"
        "    default_backend keystone_in\n"
        "backend keystone_in\n    mode tcp\n    server here {ip}:5000\n",
        ports=(5001,),
    ),
    # one socket for both (haproxy/haproxy#1720)
    bound("both-families-in-one", ":::5001 v4v6", ports=(5001,)),
    # one port on two interfaces (openstack/openstack-ansible-haproxy_server, service.j2)
    Case(
        "two-interfaces",
        "frontend out\n    bind *:5001 interface host0\n    default_backend both\n"
        "frontend in\n    bind *:5001 interface lo\n    default_backend both\n"
        "backend both\n    server here {ip}:5000\n",
        ports=(5001,),
    ),
    # lines that hold by a condition (haproxy/haproxy#2144, #3203)
    Case(
        "by-a-condition",
        ".if defined(NOWHERE)\nlisten other\n    mode tcp\n    bind {vip}:5001\n.endif\n"
        "listen keystone\n.if defined(NOWHERE)\n    bind {vip}:5002\n.else\n"
        "    bind {vip}:5000\n.endif\n    server here {ip}:5000\n",
    ),
    # all names at one port, led by a map (openstack/kolla-ansible, haproxy_external_frontend)
    Case(
        "led-by-a-map",
        "frontend external\n    http-request del-header X-Forwarded-Proto\n    bind {vip}:5000\n"
        "    use_backend %[req.hdr(host),lower,map_dom(/etc/haproxy/names,keystone)]\n"
        "backend keystone\n    server here {ip}:5000\n",
        prepare="echo 'cloud.example keystone' > /etc/haproxy/names",
    ),
    # HAProxy's own administration, open to users (unixsurfer/haproxyadmin#10)
    Case(
        "administration-by-tcp",
        "global\n    stats socket ipv4@*:5555 level admin\n"
        + KEYSTONE.replace("{bind}", "{vip}:5000"),
        refused="5555, which no section binds",
    ),
    # tables that proxies share (haproxytech/dataplaneapi#91, haproxy/haproxy#1720)
    Case(
        "peers",
        "global\n    localpeer here\npeers cloud\n    peer here {ip}:10000\n"
        "    table seen type ip size 1k\n" + KEYSTONE.replace("{bind}", "{vip}:5000"),
        refused="10000, which no section binds",
    ),
    # rules of named defaults have their say before those of a section
    Case(
        "let-in-by-the-defaults",
        "backend keystone_in\n    server here {ip}:5000\n"
        "defaults site\n    mode http\n    timeout client 9s\n    http-request allow\n"
        "frontend keystone from site\n    bind {vip}:5000\n    default_backend keystone_in\n",
        refused="closed as the cutover does it, {vip}:5000 answers users",
    ),
    # a page beside its sockets, where the second HAProxy has a folder of its own
    Case(
        "a-file-of-run",
        KEYSTONE.replace("{bind}", "{vip}:5000") + "    errorfile 503 /run/haproxy/503.http\n",
        refused="the closed haproxy.cfg could not be tried",
        prepare="mkdir -p /run/haproxy\n"
        r"printf 'HTTP/1.0 503 No\r\n\r\nbusy' > /run/haproxy/503.http",
    ),
]


@pytest.fixture
def source(context: Context) -> Iterator[Host]:
    """The source's controller; its HAProxy stands still, and is as before afterwards."""
    host = context.source.controllers[0]
    host.shell(KEEP)
    yield host
    host.shell(BACK)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_closed_and_seen_to_be_or_refused(context: Context, source: Host, case: Case) -> None:
    put(context, source, case)
    findings = [str(one) for one in check_of(gate).run(context)]
    if case.refused:
        assert any(filled(context)(case.refused) in one for one in findings), findings
        return
    assert findings == []
    vip = str(context.source.virtual_ips[0].address)
    asked = [(vip, port) for port in case.ports]
    before = source.shell(LOOK)
    assert knock.each(asked, MESSAGE) == ["open"] * len(asked)
    close.close(context, "users")
    proof.prove(context, "users")
    assert set(knock.each(asked, MESSAGE)) <= {"closed", "reset"}
    assert call(source, "knock.each", asked, MESSAGE) == ["open"] * len(asked)
    close.close(context, "all")
    proof.prove(context, "all")
    assert set(call(source, "knock.each", asked, MESSAGE)) <= {"closed", "reset"}
    close.reopen(context)
    assert knock.each(asked, MESSAGE) == ["open"] * len(asked)
    assert source.shell(LOOK) == before


def test_a_cloud_without_haproxy_is_refused(context: Context, source: Host) -> None:
    assert not source.succeeds("systemctl", "is-active", "-q", "haproxy")
    assert_is_one_error(
        check_of(gate).run(context), check_of(gate).name, "no HAProxy runs as haproxy.service"
    )


# another's file behind a link, with a line $2, in another encoding and a line of another system's
FOREIGN = r"""
mkdir -p /srv/proxy
cp "$1" /srv/proxy/cloud.cfg
printf "$2"'# gr\374n \r\n' >> /srv/proxy/cloud.cfg
chown 4321:adm /srv/proxy/cloud.cfg; chmod 0640 /srv/proxy/cloud.cfg
ln -sf ../../srv/proxy/cloud.cfg "$1"
"""
# what of it must stay while it is closed: where it is, whose it is, and every line of its own
STAYS = r"""
stat -c '%N %F' "$1"
stat -c '%u %g %a' /srv/proxy/cloud.cfg
grep -av '# migrate: ' /srv/proxy/cloud.cfg | sha256sum
ls -A /srv/proxy
"""
WHOLE = f"""
{STAYS}
sha256sum < /srv/proxy/cloud.cfg
{LOOK}
"""


def test_the_file_stays_what_it_was(context: Context, source: Host) -> None:
    """Closed, opened half, opened: owner, mode, link and bytes of another encoding."""
    put(context, source, CASES[0])
    line = r"    description caf\351\n"
    source.shell(f"{FOREIGN}\nsystemctl restart haproxy", CONFIG, line)
    try:
        assert [str(one) for one in check_of(gate).run(context)] == []
        whole, stays = source.shell(WHOLE, CONFIG), source.shell(STAYS, CONFIG)
        users = CLOSED_TO_USERS
        everybody = CLOSED_TO_ALL
        for act in (users.apply, everybody.apply, everybody.revert):
            assert act is not None
            act(context)
            assert source.shell(STAYS, CONFIG) == stays
            assert source.shell(WHOLE, CONFIG) != whole
        assert users.revert is not None
        users.revert(context)
        assert source.shell(WHOLE, CONFIG) == whole
    finally:
        source.shell("rm -rf /srv/proxy")


def test_the_targets_own_file_comes_back(context: Context) -> None:
    """What stood there before `migrate follow`, after the target was closed to go back too."""
    target = context.target.controllers[0]
    target.shell(f"cp -a {CONFIG} /root/haproxy.kept\n{FOREIGN}", CONFIG, "")
    try:
        whole = target.shell(WHOLE, CONFIG)
        proxy.configure(context)
        close.close_target(context)
        assert "# migrate: closed" in target.read(CONFIG)
        proxy.remove(context)
        assert target.shell(WHOLE, CONFIG) == whole
    finally:
        target.shell(f"rm -rf /srv/proxy; mv -f /root/haproxy.kept {CONFIG}")


def put(context: Context, source: Host, case: Case) -> None:
    """The source's HAProxy runs by the case's file."""
    fill = filled(context)
    text = source.read(CONFIG)
    head = text[: text.index("listen ")]
    source.write(CONFIG, f"{head}\n{fill(case.text)}", mode=0o644)
    source.shell(f"{fill(case.prepare)}\nsystemctl reset-failed haproxy; systemctl restart haproxy")


def filled(context: Context) -> Callable[[str], str]:
    vip, ip = str(context.source.virtual_ips[0].address), context.source.controllers[0].address
    return lambda text: text.replace("{vip}", vip).replace("{ip}", ip)
