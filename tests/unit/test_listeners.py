"""What the target's proxy keeps of the source's, and what is told as lost before the window."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from migrate.cloud.settings import VirtualIp
from migrate.services.base import ApiPort, Recipe
from migrate.takeover import listeners, proxy
from migrate.takeover.gate.haproxy import sections

RECIPES = (Recipe(project="nova", user="nova", apis=(ApiPort(name="nova", port=8774),)),)
ADDRESSES = (
    VirtualIp(address=IPv4Address("10.0.0.10"), interface="eth0"),
    VirtualIp(address=IPv4Address("192.0.2.10"), interface="eth1"),
)
DEFAULTS = "defaults\n  mode http\n  timeout client 1m\n"


def target(text: str) -> str:
    return listeners.rendered([DEFAULTS + text], RECIPES, ADDRESSES, "new", "10.0.0.12")


def lost(text: str) -> list[str]:
    return [line for _, line in listeners.losses([DEFAULTS + text], RECIPES, ADDRESSES)]


def test_inside_in_clear_and_outside_with_tls() -> None:
    text = target(
        "listen inside\n bind 10.0.0.10:8774\n server a b:1\n"
        "listen outside\n bind 192.0.2.10:8774 ssl crt a.pem\n server a b:1\n"
    )
    assert "listen nova\n    bind 10.0.0.10:8774 transparent\n" in text
    assert "listen nova-2\n    bind 192.0.2.10:8774 transparent ssl crt a.pem\n" in text


def test_served_at_one_address_is_not_served_at_the_other() -> None:
    text = target("listen inside\n bind 10.0.0.10:8774\n server a b:1\n")
    assert "192.0.2.10" not in text


@pytest.mark.parametrize(
    "params",
    [
        "ssl crt a.pem ca-file ca.pem verify required",
        "ssl crt a.pem alpn h2,http/1.1 no-tls-tickets",
        "accept-proxy",
    ],
)
def test_parameters_of_a_bind_are_carried(params: str) -> None:
    text = target(f"listen a\n bind 10.0.0.10:8774 interface eth0 {params} process 1\n")
    assert f"bind 10.0.0.10:8774 transparent {params}\n" in text


def test_timeouts_and_headers_of_the_backend_are_carried() -> None:
    source = (
        "frontend a\n bind *:8774\n default_backend b\n"
        'backend b\n timeout server 9m\n http-response set-header X-A "b c"\n server s h:1 check\n'
    )
    assert 'timeout server 9m\n    http-response set-header X-A "b c"\n' in target(source)
    assert lost(source) == []


def test_a_port_that_is_passed_on_as_tcp_stays_so() -> None:
    text = "listen a\n bind *:8774\n mode tcp\n server a b:1\n"
    assert "mode tcp" in target(text)
    assert "mode http" not in target(text)


@pytest.mark.parametrize(
    "line",
    [
        "use_backend other if { path_beg /other }",
        "http-request set-header X-A %[lua.b]",
        "http-request lua.interpret",
        "http-request auth unless { http_auth(people) }",
        "acl bad src -f /etc/haproxy/bad.lst",
        "http-request deny deny_status 429 if { sc_http_req_rate(0) gt 9 }",
        "tcp-request connection reject if bad",
        "rspadd X-A:\\ b",
        "monitor-uri /alive",
        "errorloc 503 http://sorry.example",
    ],
)
def test_a_line_that_is_not_carried_is_told(line: str) -> None:
    assert lost(f"frontend a\n bind *:8774\n {line}\n default_backend b\nbackend b\n") == [line]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lua-load /etc/haproxy/lua/scope.lua", True),
        ("ssl-default-bind-curves X25519", False),
        ("ssl-dh-param-file /etc/haproxy/dh.pem", False),
        ("tls-keys /etc/haproxy/ticket", True),
        ("stats socket /run/haproxy/admin.sock mode 660", False),
    ],
)
def test_files_of_the_global_section(line: str, told: bool) -> None:
    source = f"global\n {line}\nlisten a\n bind *:8774\n"
    assert lost(source) == ([line] if told else [])


def test_a_bind_that_names_a_file_of_another_kind_is_told() -> None:
    source = "listen a\n bind *:8774 ssl crt /a.pem tls-ticket-keys /etc/keys\n"
    assert lost(source) == ["bind ... tls-ticket-keys /etc/keys"]


def test_quotes_stay_quotes() -> None:
    assert 'http-request set-header X-A "b  c"' in target(
        'listen a\n bind *:8774\n http-request set-header X-A "b  c"\n'
    )


def files(text: str) -> list[str]:
    found = sections(DEFAULTS + text)
    served = listeners.listeners(found, RECIPES, ADDRESSES)
    return [path for _, _, path in listeners.files(found, served)]


BASES = "global\n crt-base /etc/crt\n ca-base /etc/ca\n"


def test_files_by_their_base() -> None:
    text = (
        f"{BASES} ssl-dh-param-file /etc/dh.pem\n"
        "listen a\n bind *:8774 ssl crt a.pem ca-file b.pem crl-file /c.pem crt-list /etc/list\n"
    )
    named = ["/etc/dh.pem", "/etc/crt/a.pem", "/etc/ca/b.pem", "/c.pem", "/etc/list"]
    assert files(text) == named
    assert lost(text) == []


def test_files_of_what_the_target_does_not_serve_stay() -> None:
    assert files("listen other\n bind *:443 ssl crt /etc/other.pem\n") == []


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ("crt a.pem", ["crt a.pem"]),  # below the folder in which HAProxy was started
        ("crt-list list.txt", ["crt-list list.txt"]),  # crt-base is not for lists
        ("crt @web/site", ["crt @web/site"]),  # a crt-store (haproxy#785)
        ("crt /a.pem tls-ticket-keys keys", ["bind ... tls-ticket-keys keys"]),
        ("crt /a.pem ca-file @system-ca verify optional", []),
    ],
)
def test_a_file_that_cannot_be_found_on_the_target_is_told(params: str, told: list[str]) -> None:
    assert lost(f"listen a\n bind *:8774 ssl {params}\n") == told


# as operators write it; who and where stands above each
@pytest.mark.parametrize(
    ("text", "told"),
    [
        # one name for all APIs, led by a map (openstack/kolla-ansible, haproxy_external_frontend)
        (
            "frontend a\n bind *:8774\n http-request del-header X-Forwarded-Proto\n"
            " use_backend %[req.hdr(host),lower,map_dom(/etc/haproxy/map,b)]\nbackend b\n",
            ["use_backend %[req.hdr(host),lower,map_dom(/etc/haproxy/map,b)]"],
        ),
        # by the name in the handshake (haproxy/haproxy#2748, josephlim75/technologies)
        (
            "frontend a\n bind ipv4@*:8774\n mode tcp\n tcp-request inspect-delay 5s\n"
            " use_backend b if { req.ssl_sni -i nova.example }\nbackend b\n mode tcp\n",
            ["tcp-request inspect-delay 5s", "use_backend b if { req.ssl_sni -i nova.example }"],
        ),
        # in clear and over TLS at one port (openstack/openstack-ansible-haproxy_server,
        # service-redirect)
        (
            "frontend a\n bind *:8774\n mode tcp\n tcp-request content accept if HTTP\n"
            " use_backend c if HTTP\n default_backend b\nbackend b\n mode tcp\n",
            ["tcp-request content accept if HTTP", "use_backend c if HTTP"],
        ),
        # lines that hold by a condition (haproxy/haproxy#2144, #3203)
        (
            "listen a\n bind *:8774\n.if defined(OUTSIDE)\n option forwardfor\n.endif\n",
            [".if defined(OUTSIDE)", ".endif"],
        ),
        # a section that is there by a condition, behind one that is not moved
        (
            "backend other\n.if defined(OUTSIDE)\nlisten a\n bind *:8774\n.endif\n",
            [".if defined(OUTSIDE)", ".endif"],
        ),
        # values of its environment (haproxy/haproxy#250, #2651; docker-library/haproxy#10)
        (
            'listen a\n bind *:8774\n http-request set-header X-Cloud "${REGION}"\n',
            ['http-request set-header X-Cloud "${REGION}"'],
        ),
        ('global\n maxconn "${MOST}"\nlisten a\n bind *:8774\n', ['maxconn "${MOST}"']),
        (
            'listen a\n bind *:8774 ssl crt "${KEYS}/a.pem"\n',
            ["bind ... crt ${KEYS}/a.pem", "crt ${KEYS}/a.pem"],
        ),
        ("listen a\n bind *:8774\n acl whole path_reg ^/v2$\n", []),
        # bytes of another encoding, which are no comment's
        (
            "listen a\n bind *:8774\n option httplog # \ufffd\n"
            ' http-response set-header X-Where "\ufffd"\n',
            ['http-response set-header X-Where "\ufffd"'],
        ),
        # HTTP/3 beside HTTP (haproxy/haproxy#2544)
        (
            "listen a\n bind quic4@:8774 ssl crt /a.pem alpn h3\n bind *:8774 ssl crt /a.pem\n",
            ["bind quic4@:8774 ssl crt /a.pem alpn h3"],
        ),
    ],
)
def test_as_operators_write_it(text: str, told: list[str]) -> None:
    assert lost(text) == told


def test_a_condition_before_all_sections_is_told() -> None:
    texts = [".if defined(OUTSIDE)\n" + DEFAULTS + "listen a\n bind *:8774\n.endif\n"]
    told = listeners.losses(texts, RECIPES, ADDRESSES)
    assert [line for _, line in told] == [".if defined(OUTSIDE)", ".endif"]


def test_quic_is_not_taken_for_what_users_reach_by_tcp() -> None:
    text = target("listen a\n bind quic4@:8774 ssl crt /a.pem\n bind *:8774\n")
    assert "bind 10.0.0.10:8774 transparent\n" in text


def test_one_port_on_two_interfaces() -> None:
    """As openstack-ansible writes it: `haproxy_bind_external_lb_vip_interface` and its like."""
    text = target(
        "frontend out\n bind *:8774 interface eth1 ssl crt /a.pem\n default_backend b\n"
        "frontend in\n bind *:8774 interface eth0\n default_backend b\nbackend b\n"
    )
    assert "bind 10.0.0.10:8774 transparent\n" in text
    assert "bind 192.0.2.10:8774 transparent ssl crt /a.pem\n" in text


def test_an_interface_goes_before_none() -> None:
    text = target(
        "listen in\n bind *:8774\nlisten out\n bind *:8774 interface eth1 ssl crt /a.pem\n"
    )
    assert "bind 10.0.0.10:8774 transparent\n" in text
    assert "bind 192.0.2.10:8774 transparent ssl crt /a.pem\n" in text


def addresses_read(text: str) -> list[str]:
    found = listeners.listeners(sections(DEFAULTS + text), RECIPES, ADDRESSES)
    return [address for one in found if one.section.name for address in one.addresses]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("listen a\n bind *:8774 interface eth7\n", []),
        ("listen a\n bind inside:8774\n", ["10.0.0.10", "192.0.2.10"]),
        ("listen a\n bind *:8774\nlisten b\n bind *:8774 ssl crt /a.pem\n", []),
        # which of the two names is which address is not known here (openstack ha guide, /etc/hosts)
        ("listen a\n bind inside:8774\nlisten b\n bind outside:8774 ssl crt /a.pem\n", []),
        (
            "listen a\n bind 10.0.0.10:8774\nlisten b\n bind outside:8774 ssl crt /a.pem\n",
            ["10.0.0.10", "192.0.2.10"],
        ),
    ],
)
def test_where_a_bind_cannot_be_told_nothing_is_taken_for_served(
    text: str, read: list[str]
) -> None:
    assert addresses_read(text) == read


def rendered(block: str) -> str:
    source = f"vrrp_instance a {{\n  virtual_router_id 7\n{block}}}\n"
    return proxy.rendered_keepalived(source, ADDRESSES, "new")


@pytest.mark.parametrize(
    "secret", ["auth_pass a}b", "auth_pass {a", "auth_pass }}", 'auth_pass "a b" # {']
)
def test_a_brace_within_keepaliveds_password(secret: str) -> None:
    block = f"  #authentication {{\n  authentication {{\n    auth_type PASS\n    {secret}\n  }}\n"
    expected = f"    authentication {{\n        auth_type PASS\n        {secret}\n    }}\n"
    assert expected in rendered(block)


def test_a_block_of_keepalived_that_does_not_end_is_refused() -> None:
    from migrate.errors import PreconditionError

    with pytest.raises(PreconditionError, match="authentication"):
        proxy.rendered_keepalived("authentication {\n auth_pass a\n", ADDRESSES, "new")


def test_braces_of_keepaliveds_block_on_lines_with_words() -> None:
    block = "  authentication { auth_type PASS\n    auth_pass one }\n"
    expected = "    authentication {\n        auth_type PASS\n        auth_pass one\n    }\n"
    assert expected in rendered(block)
