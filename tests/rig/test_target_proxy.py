"""The target's proxy serves what users reach at the source's: carried and taken away, or told.

The source's HAProxy gets a file as operators write it, with real keys; the target's is asked as
users would, at the virtual IP that it carries privately.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from migrate import checks
from migrate.checks import listeners, scope
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, Severity
from migrate.engine.plan import Step
from migrate.phases.plan import compose
from migrate.takeover import isolation
from tests.checked import check_of
from tests.rig.test_gate_proof import BACK, CONFIG, KEEP

pytestmark = [pytest.mark.rig, pytest.mark.in_set("gate")]

KEYS = "/etc/ssl/cloud"
# one who signs people, a person, and a certificate of the cloud with its key
MAKE = """
mkdir -p -m 0755 "$1/ca"; mkdir -p -m 0700 "$1/private"; cd "$1"
new() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout k -out c 2>/dev/null
}
new cloud.example; cat c k > private/cloud.pem; rm c k
test -e ca/people.pem || { new person; cp c ca/people.pem; cat c k > /root/person.pem; rm c k; }
test -e dh.pem || openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out dh.pem
"""
GONE = "rm -rf /etc/ssl/cloud /root/person.pem"
GLOBAL = """
global
    crt-base /etc/ssl/cloud/private
    ca-base /etc/ssl/cloud/ca
    ssl-dh-param-file /etc/ssl/cloud/dh.pem
"""
PLAIN = "    bind {vip}:5000\n    server here {ip}:5000\n"
ASKING = PLAIN.replace(":5000\n", ":5000 ssl crt cloud.pem ca-file people.pem verify required\n", 1)
LIST = """
cloud.pem [alpn h2,http/1.1] cloud.example
other.pem [ca-file people.pem verify optional] *.example
"""
FINGERPRINT = 'openssl x509 -noout -fingerprint -in "$1"'
# who is heard at $1, and the first line of what he answers to one who shows $2, or nothing
HEARD = """
{ openssl s_client -connect "$1" </dev/null 2>/dev/null || true; } |
    openssl x509 -noout -fingerprint
"""
ANSWER = """
ask() { timeout 10 openssl s_client -quiet -connect "$@" 2>/dev/null || true; }
printf 'GET / HTTP/1.0\\r\\n\\r\\n' | ask "$1" ${2:+-cert "$2" -key "$2"} |
    sed -n '1s/HTTP.*/HTTP/p'
"""
LOOK = """
for folder in /etc/ssl/cloud /etc/haproxy /var/lib/migrate; do
    test -d "$folder" || continue
    find "$folder" -printf '%p %y %m %u %g %l\\n' | sort
    find "$folder" -type f -exec sha256sum {} + | sort
done
"""


@pytest.fixture
def source(context: Context) -> Iterator[Host]:
    """The source's controller with keys; its HAProxy stands still, and is as before afterwards."""
    host = context.source.controllers[0]
    host.shell(KEEP)
    host.shell(MAKE, KEYS)
    yield host
    host.shell(f"{GONE}\n{BACK}")


@pytest.fixture
def target(context: Context) -> Iterator[Host]:
    """The target's controller, which carries the virtual IP for itself alone."""
    isolation.carry(context)
    yield context.target.controllers[0]
    isolation.drop(context)


@pytest.fixture
def served(context: Context, source: Host) -> Callable[..., None]:
    """Let the source's HAProxy run with other *lines*, and keystone's listener as it is given."""

    def serve(keystone: str = PLAIN, lines: str = "") -> None:
        text = source.read(CONFIG)
        head, glance = text[: text.index("listen ")], text[text.index("listen glance") :]
        whole = f"{head}\n{lines}\nlisten keystone\n{keystone}\n{glance}"
        filled = whole.replace("{vip}", vip(context)).replace("{ip}", source.address)
        source.write(CONFIG, filled, mode=0o644)
        source.shell("systemctl reset-failed haproxy; systemctl restart haproxy")

    return serve


def vip(context: Context) -> str:
    return str(context.source.virtual_ips[0].address)


def told(context: Context, *leave: str) -> list[Finding]:
    settings = context.settings.model_copy(update={"leave": leave})
    return checks.run(replace(context, settings=settings), (check_of(listeners),))


def config(context: Context) -> Step:
    return next(one for one in compose(context) if one.id == "proxy.config")


def test_keys_are_carried_renewed_and_taken_away(
    context: Context, source: Host, target: Host, served: Callable[..., None]
) -> None:
    """With relative names, a file of DH and people's certificates; another's key comes back."""
    served(ASKING, GLOBAL)
    assert told(context) == []
    target.shell(f"mkdir -p {KEYS}/private; echo ours > {KEYS}/private/cloud.pem")
    target.shell(f"chmod 0604 {KEYS}/private/cloud.pem; chown 4321:adm {KEYS}/private/cloud.pem")
    before, step, there = target.shell(LOOK), config(context), f"{vip(context)}:5000"
    assert step.revert is not None
    try:
        assert not step.done(context)
        step.apply(context)
        assert step.done(context)
        first = source.shell(FINGERPRINT, f"{KEYS}/private/cloud.pem")
        assert target.shell(HEARD, there) == first
        target.write("/root/person.pem", source.read("/root/person.pem"), mode=0o600)
        assert target.shell(ANSWER, there, "/root/person.pem") == "HTTP\n"
        assert target.shell(ANSWER, there, "") == ""
        source.shell(MAKE, KEYS)  # as certbot does it while the cloud serves
        second = source.shell(FINGERPRINT, f"{KEYS}/private/cloud.pem")
        assert second != first
        assert not step.done(context)
        step.apply(context)
        assert step.done(context)
        assert target.shell(HEARD, there) == second
    finally:
        step.revert(context)
        after = target.shell(LOOK)
        target.shell(GONE)
    assert after == before


def test_a_list_of_certificates_is_carried(
    context: Context, source: Host, target: Host, served: Callable[..., None]
) -> None:
    """With names below crt-base and options in brackets, one a pair (haproxy#970, #1380)."""
    source.shell(f"cd {KEYS}/private; mv cloud.pem cloud.pem.rsa; {MAKE}", KEYS)
    source.shell(f"mv {KEYS}/private/cloud.pem {KEYS}/private/other.pem")
    source.write(f"{KEYS}/list", LIST, mode=0o644)
    served(PLAIN.replace(":5000\n", f":5000 ssl crt-list {KEYS}/list\n", 1), GLOBAL)
    assert told(context) == []
    step = config(context)
    assert step.revert is not None
    try:
        step.apply(context)
        first = source.shell(FINGERPRINT, f"{KEYS}/private/cloud.pem.rsa")
        assert target.shell(HEARD, f"{vip(context)}:5000") == first
    finally:
        step.revert(context)
    assert not target.exists(KEYS)


@pytest.mark.parametrize(
    ("keystone", "lines", "said"),
    [
        # of a file that is not carried
        (PLAIN, "global\n    lua-load /etc/haproxy/a.lua", "lua-load"),
        # relative to nothing but the folder in which HAProxy was started
        (PLAIN, "global\n    ssl-dh-param-file etc/ssl/cloud/dh.pem", "ssl-dh-param-file etc"),
        ("    bind {vip}:5000 ssl crt etc/ssl/cloud/private/cloud.pem\n", "", "crt etc/ssl"),
        ("    bind {vip}:5000 ssl crt-list /etc/ssl/cloud/list\n", "", "write its whole path"),
        # ended behind HAProxy (openstack/tripleo-specs, juno/haproxy_configuration)
        (
            "    bind {vip}:5000\n    mode tcp\n    server tls 127.0.0.1:5443\n",
            f"{GLOBAL}listen tls\n    bind 127.0.0.1:5443 ssl crt cloud.pem\n"
            "    server here {ip}:5000\n",
            "users speak TLS",
        ),
        # led by the name in its first words (haproxy/haproxy#2748)
        (
            "    mode tcp\n    tcp-request inspect-delay 1s\n"
            f"    use_backend tls if {{ req.ssl_sni -i cloud.example }}\n{PLAIN}",
            "backend tls\n    mode tcp\n    server here {ip}:9292\n",
            "req.ssl_sni",
        ),
    ],
    ids=["lua", "dh", "relative", "list", "tls-behind", "by-name"],
)
def test_what_the_target_could_not_serve_is_told(
    context: Context,
    source: Host,
    served: Callable[..., None],
    keystone: str,
    lines: str,
    said: str,
) -> None:
    source.write("/etc/haproxy/a.lua", "-- nothing\n", mode=0o644)
    source.write(f"{KEYS}/list", "etc/ssl/cloud/private/cloud.pem\n", mode=0o644)
    served(keystone, lines)
    found = [str(one) for one in told(context)]
    assert any(said in one for one in found), found


def test_what_is_passed_on_in_clear_is_served_so(
    context: Context, source: Host, served: Callable[..., None]
) -> None:
    served(f"    mode tcp\n{PLAIN}")
    assert told(context) == []


def test_a_listener_is_lost_by_name_alone(
    context: Context, source: Host, served: Callable[..., None]
) -> None:
    """As horizon over TLS at 443, beside the port at which the target serves it in clear."""
    pages = "listen pages\n    bind {vip}:443 ssl crt cloud.pem\n    server here {ip}:5000\n"
    served(lines=f"{GLOBAL}{pages}")
    found = told(context)
    assert [one.severity for one in found] == [Severity.ERROR]
    assert f"users reach {vip(context)}:443" in found[0].message
    name = "sidestep:leave: ['haproxy:443']"
    assert name in found[0].remedy
    assert any(name in one.remedy for one in scope.run(context))
    assert [one.severity for one in told(context, "haproxy:443")] == [Severity.WARNING]
    assert [one.severity for one in told(context, "haproxy:80")] == [Severity.ERROR]
