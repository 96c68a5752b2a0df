"""What users reach at the source and would lose: a finding for each, unless it is left by name."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from migrate.checks import listeners
from migrate.engine.finding import Severity
from migrate.onhost import certificates, knock, record
from migrate.takeover.gate.haproxy import sections
from migrate.takeover.listeners import listeners as served_by
from tests.unit import fakes
from tests.unit.test_after_verify import Handler, certificate

VIP = "10.0.0.9"  # of the stack in fakes.py
DEFAULTS = "defaults\n  mode http\n"
HORIZON = """
listen horizon
  bind 10.0.0.9:443 ssl crt /etc/haproxy/horizon.pem
  bind 10.0.0.9:80
  redirect scheme https if !{ ssl_fc }
  server old 10.0.0.2:80
"""


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the check finds lost where the source's HAProxy has *text* and hears at *held*."""

    def ask(text: str, *held: tuple[str, int], spoken: str = "http") -> dict[tuple[str, int], str]:
        context, _ = fakes.context(tmp_path)
        answers = {
            "haproxy.state": {"original": {"a": DEFAULTS + text}},
            "haproxy.listens": {"own": [list(one) for one in held]},
        }
        monkeypatch.setattr(
            listeners,
            "call",
            lambda _, name, *args: answers.get(name) or [spoken] * len(args[0]),
        )
        served = served_by(sections(DEFAULTS + text), context.recipes, context.source.virtual_ips)
        found = listeners.unserved(context, served) | listeners.passed_through(context, served)
        return {where: message for where, (message, _) in found.items()}

    return ask


def test_horizon_over_tls_at_443_is_not_horizon_in_clear_at_80(lost: Any) -> None:
    found = lost(HORIZON, (VIP, 80), (VIP, 443))
    assert list(found) == [(VIP, 443)]
    assert "users reach 10.0.0.9:443" in found[VIP, 443]


def test_an_api_at_an_ipv6_address_is_lost(lost: Any) -> None:
    held = ("2001:db8::10", 8774), (VIP, 8774)
    found = lost(f"listen nova\n bind [2001:db8::10]:8774\n bind {VIP}:8774\n", *held)
    assert list(found) == [("2001:db8::10", 8774)]


@pytest.mark.parametrize(
    "text",
    [
        "listen nova\n bind *:8774 interface eth7 ssl crt /a.pem\n",
        "listen nova\n bind one:8774\nlisten other\n bind two:8774 ssl crt /a.pem\n",
    ],
)
def test_an_api_by_a_bind_that_cannot_be_told_is_lost(lost: Any, text: str) -> None:
    assert list(lost(text, ("0.0.0.0", 8774))) == [(VIP, 8774)]


@pytest.mark.parametrize(
    ("lines", "spoken", "told"),
    [
        (" mode tcp\n", "http", ""),
        (" mode tcp\n", "tls", "users speak TLS at 10.0.0.9:8774"),
        (" mode tcp\n", "", "no HTTP is heard there"),
        # horizon and APIs end TLS themselves (openstack/tripleo-specs, juno/haproxy_configuration;
        # ceph/ceph-ansible#4596)
        (" mode tcp\n option ssl-hello-chk\n", "tls", "users speak TLS"),
        (" mode http\n", "tls", ""),  # HAProxy reads it itself, so it is in clear
    ],
)
def test_what_haproxy_passes_on_is_asked_for(lost: Any, lines: str, spoken: str, told: str) -> None:
    text = f"listen nova\n bind 10.0.0.9:8774\n{lines} server old 10.0.0.2:8774\n"
    found = lost(text, (VIP, 8774), spoken=spoken)
    assert list(found) == ([(VIP, 8774)] if told else [])
    assert told in found.get((VIP, 8774), "")


def test_tls_that_haproxy_ends_before_it_passes_on_is_carried(lost: Any) -> None:
    text = "listen nova\n bind 10.0.0.9:8774 ssl crt /a.pem\n mode tcp\n"
    assert lost(text, (VIP, 8774), spoken="tls") == {}


LOST = {
    (VIP, 443): ("users reach 10.0.0.9:443", "Serve it"),
    (VIP, 9876): ("users reach 10.0.0.9:9876", "Serve it"),
    (VIP, 8774): ("users speak TLS at 10.0.0.9:8774", "End it"),
}


def told(*leave: str) -> list[tuple[Severity, str, str]]:
    found = listeners.judge(LOST, {9876: "octavia"}, leave, "old")
    return [(one.severity, one.message, one.remedy) for one in found]


def test_each_loss_says_by_which_name_it_may_be_left() -> None:
    assert [severity for severity, _, _ in told()] == [Severity.ERROR] * 3
    for (_, _, remedy), word in zip(
        told(), ("haproxy:443", "octavia", "10.0.0.9:8774"), strict=True
    ):
        assert f"sidestep:leave: ['{word}']" in remedy


def test_what_is_left_by_name_is_no_error_and_the_rest_is() -> None:
    found = told("haproxy:443", "10.0.0.9:8774")
    assert [severity for severity, _, _ in found] == [
        Severity.WARNING,
        Severity.ERROR,
        Severity.WARNING,
    ]
    assert "octavia" in found[1][2]


@pytest.mark.parametrize("word", ["haproxy:80", "10.0.0.9:443", "10.0.0.8:8774", "haproxy:8774"])
def test_another_name_leaves_nothing(word: str) -> None:
    assert [severity for severity, _, _ in told(word)][:3] == [Severity.ERROR] * 3


def test_an_address_that_loses_nothing_is_told() -> None:
    assert [message for _, message, _ in told("10.0.0.8:8774")][3:] == [
        "sidestep:leave names 10.0.0.8:8774, where users lose nothing"
    ]


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(knock, "SECONDS", 0.3)
    with ExitStack() as stack:

        def start(kind: str) -> int:
            if kind == "dumb":
                dumb = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                return int(dumb.getsockname()[1])
            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.handle_error = lambda *_: None  # type: ignore[method-assign]
            if kind != "http":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(path := certificate(tmp_path))
                if kind == "asks":
                    context.verify_mode = ssl.CERT_REQUIRED
                    context.load_verify_locations(path)
                if kind == "old":
                    context.maximum_version = ssl.TLSVersion.TLSv1_2
                server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return int(server.server_address[1])

        yield start


@pytest.mark.parametrize(
    ("kind", "heard"),
    [("http", "http"), ("tls", "tls"), ("old", "tls"), ("asks", "tls"), ("dumb", "")],
)
def test_what_is_spoken_at_a_port(serving: Any, kind: str, heard: str) -> None:
    assert knock.spoken([("127.0.0.1", serving(kind))]) == [heard]


def test_nobody_speaks_at_a_closed_port() -> None:
    with socket.socket() as ours:  # held, or another test could listen there
        ours.bind(("127.0.0.1", 0))
        assert knock.spoken([ours.getsockname()]) == [""]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    for name in ("a.pem", "pair.pem.rsa", "pair.pem.ecdsa", "c.crt", "ca.pem"):
        (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----\n")
    for name in ("c.key", "a.pem.ocsp"):
        (tmp_path / name).write_bytes(b"\xff")
    return tmp_path


def listed(keys: Path, name: str) -> list[str]:
    bases = {"crt": str(keys), "ca-file": str(keys)}
    found = certificates.listed([str(keys / name)], bases)
    return [Path(path).name for path in found]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.pem", ["a.pem", "a.pem.ocsp"]),
        # two certificates by one name, which no file has (haproxy/haproxy#970)
        ("pair.pem", ["pair.pem.ecdsa", "pair.pem.rsa"]),
        # a key beside it by ssl-load-extra-del-ext (haproxy/haproxy#785)
        ("c.crt", ["c.crt", "c.key"]),
    ],
)
def test_what_lies_beside_a_certificate_is_carried(keys: Path, name: str, found: list[str]) -> None:
    assert listed(keys, name) == found


def test_what_a_list_names_is_carried(keys: Path) -> None:
    """Relative to crt-base and ca-base, with options in brackets (haproxy/haproxy#1380, #3053)."""
    (keys / "list").write_text(
        "# all\na.pem [alpn h2 ca-file ca.pem verify required] a.example !b.a.example\n"
        f"{keys}/c.crt c.example\n"
    )
    expected = ["a.pem", "a.pem.ocsp", "c.crt", "c.key", "ca.pem", "list"]
    assert listed(keys, "list") == expected


def test_a_list_without_a_base_must_name_whole_paths(keys: Path) -> None:
    (keys / "list").write_text("a.pem\n")
    with pytest.raises(RuntimeError, match=r"list names a\.pem: write its whole path there"):
        certificates.listed([str(keys / "list")], {"crt": "", "ca-file": ""})


def test_folders_that_were_made_for_files_are_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    names = ("cloud/ca/people.pem", "cloud/dh.pem", "cloud/private/cloud.pem", "ours/a.pem")
    (tmp_path / "ours").mkdir()
    files = {str(tmp_path / name): base64.b64encode(b"key").decode() for name in names}
    certificates.put(files)
    assert certificates.same(files)
    certificates.give_back()
    assert [path.name for path in tmp_path.rglob("*")] == ["ours"]
