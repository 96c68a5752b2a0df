"""What the target's proxy keeps of the source's, and what is told as lost before the window."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from migrate import certificates, listeners, proxy
from migrate.services.base import ApiPort, Recipe
from migrate.settings import VirtualIp

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


def test_files_by_their_base() -> None:
    text = (
        "global\n crt-base /etc/crt\n ca-base /etc/ca\n ssl-dh-param-file /etc/dh.pem\n"
        "listen a\n bind *:1 ssl crt a.pem ca-file b.pem crt-list /etc/list\n"
    )
    named = certificates.named([text])
    assert named == ["/etc/dh.pem", "/etc/crt/a.pem", "/etc/ca/b.pem", "/etc/list"]


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
        proxy.rendered_keepalived("authentication {\n auth_pass a }\n", ADDRESSES, "new")
