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
from migrate.gate import doors, proof
from migrate.gate.edit import MESSAGE
from migrate.host import Host
from migrate.onhost import call, knock
from tests.lab.rig import Rig

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
rm -rf /etc/systemd/system/haproxy.service.d; systemctl daemon-reload
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
]


@pytest.fixture(scope="module")
def context(rig: Rig) -> Context:
    return rig.context


@pytest.fixture
def source(context: Context) -> Iterator[Host]:
    """The source's controller; its HAProxy stands still, and is as before afterwards."""
    host = context.source.first
    host.shell(KEEP)
    yield host
    host.shell(BACK)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_closed_and_seen_to_be_or_refused(context: Context, source: Host, case: Case) -> None:
    put(context, source, case)
    findings = [str(one) for one in gate.run(context)]
    if case.refused:
        assert any(case.refused in one for one in findings), findings
        return
    assert findings == []
    vip = str(context.source.virtual_ips[0].address)
    asked = [(vip, port) for port in case.ports]
    before = source.shell(LOOK)
    assert knock.each(asked, MESSAGE) == ["open"] * len(asked)
    doors.close(context, "users")
    proof.prove(context, "users")
    assert set(knock.each(asked, MESSAGE)) <= {"closed", "reset"}
    assert call(source, "knock.each", asked, MESSAGE) == ["open"] * len(asked)
    doors.close(context, "all")
    proof.prove(context, "all")
    assert set(call(source, "knock.each", asked, MESSAGE)) <= {"closed", "reset"}
    doors.reopen(context)
    assert knock.each(asked, MESSAGE) == ["open"] * len(asked)
    assert source.shell(LOOK) == before


def put(context: Context, source: Host, case: Case) -> None:
    """The source's HAProxy runs by the case's file."""
    fill = filled(context)
    text = source.read(CONFIG)
    head = text[: text.index("listen ")]
    source.write(CONFIG, f"{head}\n{fill(case.text)}", mode=0o644)
    source.shell(f"{fill(case.prepare)}\nsystemctl reset-failed haproxy; systemctl restart haproxy")


def filled(context: Context) -> Callable[[str], str]:
    vip, ip = str(context.source.virtual_ips[0].address), context.source.first.address
    return lambda text: text.replace("{vip}", vip).replace("{ip}", ip)
