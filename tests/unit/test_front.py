"""What forbids a front, and what becomes of a section that it stands before."""

from __future__ import annotations

import pytest

from migrate.takeover.front import config
from migrate.takeover.gate.haproxy import UserSocket, sections

DEFAULTS = "defaults\n    mode http\n"
API = UserSocket("10.0.0.10", 5000, http=True)


def forbidding(text: str, *shut: UserSocket) -> list[str]:
    return config.obstacles(sections(DEFAULTS + text), shut or [API], {"10.0.0.10": "eth0"})


@pytest.mark.parametrize(
    "line",
    [
        "acl inside src 10.0.0.0/8",
        "http-request deny if { src -f /etc/haproxy/bad.lst }",
        "http-request track-sc0 src",
        "stick-table type ip size 1m",
        "balance source",
        "tcp-request connection expect-proxy layer4",
        "server s 10.0.0.11:5000 send-proxy",
    ],
)
def test_what_is_decided_by_who_calls(line: str) -> None:
    found = forbidding(f"listen a\n    bind 10.0.0.10:5000\n    {line}\n")
    assert found == [f"listen a decides by who calls: {line}"]


@pytest.mark.parametrize(
    "line",
    ["http-request set-header X-Src a", "option forwardfor", "balance leastconn", "log src1"],
)
def test_what_is_not(line: str) -> None:
    assert forbidding(f"listen a\n    bind 10.0.0.10:5000\n    {line}\n") == []


def test_users_certificates_and_other_addresses() -> None:
    tls = "listen a\n    bind 10.0.0.10:5000 ssl crt a.pem ca-file users.pem verify required\n"
    (found,) = forbidding(tls)
    assert found == "users are asked for certificates at 10.0.0.10:5000: ca-file, verify"
    (found,) = forbidding("", UserSocket("::", 5000, http=True))
    assert found == "users are heard at :::5000, an address of IPv6"
    (found,) = forbidding("")
    assert found == "which section serves 10.0.0.10:5000 cannot be told"
    passed = "listen a\n    mode tcp\n    bind 10.0.0.10:5000 ssl crt a.pem\n"
    assert forbidding(passed) == ["TLS that is no HTTP ends at 10.0.0.10:5000"]


def test_one_port_in_two_ways() -> None:
    text = "listen a\n    bind 10.0.0.10:5000\nlisten b\n    bind 10.0.0.9:5000 ssl crt b.pem\n"
    assert forbidding(text, API, UserSocket("10.0.0.9", 5000, http=True)) == [
        "port 5000 is served in 2 ways"
    ]


def test_never_tighter_than_the_operators() -> None:
    text = (
        "global\n    maxconn 20000\n    tune.bufsize 65536\n"
        "listen a\n    bind *:5000\n    timeout server 1h\n    timeout client 90s\n"
        "    option forwardfor\n"
    )
    shut = [UserSocket("0.0.0.0", 5000, http=True)]
    here = ["127.0.0.1", "10.0.0.11", "10.0.0.10", "fe80::1"]
    found = sections(DEFAULTS + text)
    spec = config.rendered(found, shut, {}, here, [], "10.0.0.12", {5000}, {}, 0)
    for line in (
        *("maxconn 20000", "tune.bufsize 65536", "timeout server 3600000ms"),
        *("timeout client 90000ms", "option forwardfor", "server s 10.0.0.12:25000"),
    ):
        assert f"    {line}\n" in spec["config"], line
    assert spec["heard"] == [["10.0.0.10", 5000], ["10.0.0.11", 5000]]


def test_what_the_target_does_not_serve_is_refused_there() -> None:
    text = "listen a\n    bind 10.0.0.10:5000\n"
    spec = config.rendered(sections(DEFAULTS + text), [API], {}, [], [], "10.0.0.12", set(), {}, 50)
    assert "http-request set-var(txn.shut) bool(true) if target" in spec["config"]
    assert "new_5000" not in spec["config"]
