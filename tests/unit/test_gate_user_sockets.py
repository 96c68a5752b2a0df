"""Which of HAProxy's sockets users reach, and which of those no closed section binds."""

from __future__ import annotations

import pytest

from migrate.takeover.gate import haproxy, proof
from migrate.takeover.gate.haproxy import UserSocket

VIP = "10.0.0.10"
DEFAULTS = "defaults\n  mode http\n"
API = "listen api\n  bind {bind}\n  server a 10.0.0.11:8774\n"


def read(bind: str, *sockets: tuple[str, int]) -> tuple[list[str], list[str]]:
    """The user sockets, and those left open, of one API by *bind* when HAProxy holds *sockets*."""
    texts = {"a": DEFAULTS + API.replace("{bind}", bind)}
    held = list(sockets) or [(VIP, 8774)]
    return [str(d) for d in haproxy.user_sockets(texts, held)], [
        str(d) for d in haproxy.left_open(texts, held)
    ]


@pytest.mark.parametrize(
    "bind",
    [
        "10.0.0.10:8774",
        "ipv4@10.0.0.10:8774",
        '"10.0.0.10:8774"',
        "'10.0.0.10':8774",
        "controller:8774",
        '"${VIP}:8774" ssl crt /etc/ssl/a.pem',
        ":8774",
        "*:8774",
        "10.0.0.9:80,10.0.0.10:8774",
        "10.0.0.10:8770-8779",
        "quic4@10.0.0.10:8774",
    ],
)
def test_a_bind_that_is_read_is_closed(bind: str) -> None:
    assert read(bind) == (["10.0.0.10:8774"], [])


@pytest.mark.parametrize(
    "bind",
    ["${VIP}:${PORT}", "fd@3", "10.0.0.10", "unix@/run/a.sock", "127.0.0.1:8774", "[::1]:8774"],
)
def test_a_socket_whose_bind_cannot_be_seen_is_left_open(bind: str) -> None:
    assert read(bind) == (["10.0.0.10:8774"], ["10.0.0.10:8774"])


def test_sockets_of_this_host_alone_are_no_user_sockets() -> None:
    assert read("127.0.0.1:8774", ("127.0.0.1", 8774), ("::1", 8774)) == ([], [])


def test_database_broker_and_cache_are_no_user_sockets() -> None:
    assert read("*:8774", (VIP, 3306), (VIP, 5672), ("0.0.0.0", 8774))[0] == ["0.0.0.0:8774"]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("  stats enable\n", []),
        ("  stats enable\n  server a 10.0.0.11:8774\n", ["10.0.0.10:8774"]),
        ("  stats enable\n  use_backend a if { path_beg /a }\n", ["10.0.0.10:8774"]),
        ("  mode tcp\n  stats enable\n", ["10.0.0.10:8774"]),
    ],
)
def test_statistics_alone_are_spared(lines: str, wanted: list[str]) -> None:
    texts = {"a": f"{DEFAULTS}listen page\n  bind {VIP}:8774\n{lines}"}
    assert [str(one) for one in haproxy.user_sockets(texts, [(VIP, 8774)])] == wanted


def test_a_port_that_one_open_section_shares_is_left_open() -> None:
    texts = {
        "a": f"{DEFAULTS}listen page\n  bind 10.0.0.11:8774\n  stats enable\n",
        "b": API.replace("{bind}", f"{VIP}:8774"),
    }
    assert [str(one) for one in haproxy.left_open(texts, [(VIP, 8774)])] == ["10.0.0.10:8774"]


def test_the_defaults_of_another_file_hold() -> None:
    texts = {"a": DEFAULTS, "b": API.replace("{bind}", f"{VIP}:8774")}
    assert haproxy.user_sockets(texts, [(VIP, 8774)]) == [UserSocket(VIP, 8774, http=True)]
    shut = haproxy.closed(texts, None)
    assert shut["a"] == DEFAULTS
    assert "http-request return status 503" in shut["b"]


def test_every_byte_of_the_original_stays() -> None:
    text = "listen a\r\n\tbind :80\x0c # \udce4 \x85\r\n  server a b:80"
    shut = haproxy.closed({"a": text}, None)["a"]
    assert [line for line in shut.split("\n") if haproxy.MARK not in line] == text.split("\n")


@pytest.mark.parametrize(
    ("http", "passes", "stranger", "own", "said"),
    [
        (True, True, "closed", "open", ""),
        (True, True, "open", "open", "answers users"),
        (True, True, "closed", "closed", "refuses the cloud's own hosts"),
        (True, True, "reset", "open", None),
        (True, True, "closed", "silent", None),
        (True, True, "closed", "", ""),
        (True, True, "closed/open", "open", None),
        (True, False, "closed", "closed", ""),
        (True, False, "closed", "open", "answers hosts of the cloud"),
        (False, True, "reset", "open", ""),
        (False, True, "reset", "reset", None),
        (False, False, "reset", "reset", ""),
        (False, False, "silent", "silent", None),
    ],
)
def test_what_is_heard_and_what_it_tells(
    http: bool, passes: bool, stranger: str, own: str, said: str | None
) -> None:
    assert proof.judged(UserSocket(VIP, 8774, http), stranger, own, passes=passes) == said
