"""Gateways of Ceph: what is judged before one moves, who visits them, and whose keeps a backup."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import HmacV1Auth
from botocore.credentials import Credentials

from migrate.checks import backup
from migrate.cli import preparation
from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.cloud import Context
from migrate.errors import PreconditionError
from migrate.onhost import gateway as program
from migrate.onhost import record, visitor
from migrate.storage.backup import store
from migrate.storage.ceph import conf, gateway
from tests.unit import fakes

KEY, SECRET = "AKLAB", "SK/LAB+="


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator without keys, whom nothing leads away from this host."""
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("frontends", "port"),
    [
        ("beast port=8080", 8080),
        ("beast endpoint=0.0.0.0:80 tcp_nodelay=1", 80),
        ("beast endpoint=[::]:7480", 7480),
    ],
)
def test_where_a_gateway_listens(frontends: str, port: int) -> None:
    assert gateway.port(frontends) == port


@pytest.mark.parametrize(
    ("frontends", "words"),
    [
        ("civetweb port=7480", "is civetweb, which releases from 17 on have not"),
        ("beast", "only one with a port"),
        ("beast port=80 ssl_port=443 ssl_certificate=/etc/x.pem", "let a proxy before it end TLS"),
        ("beast ssl_endpoint=0.0.0.0:443", "let a proxy before it end TLS"),
        ("beast port=80, beast port=81", "only one with a port"),
        ("beast endpoint=0.0.0.0:80 endpoint=0.0.0.0:81", "only one with a port"),
        ("beast endpoint=10.0.0.2:80", r"10.0.0.2 only, .*`beast port=80`"),
    ],
)
def test_what_was_never_shown_is_refused(frontends: str, words: str) -> None:
    with pytest.raises(PreconditionError, match=words):
        gateway.port(frontends)


def test_a_gateways_section_is_carried_whole() -> None:
    own = "[client.rgw.a]\nrgw frontends = beast port=80\n# why\nrgw dns name = s3.example.org\n"
    text = f"[global]\nfsid = 1\n\n{own}\n[client.rgw.ab]\nrgw frontends = beast port=81\n"
    assert conf.section(text, "client.rgw.a") == own
    assert conf.section(text, "client.rgw.c") == ""
    assert conf.section(f"{text}[client.rgw.a]\nlog file = /x\n", "client.rgw.a") == (
        f"{own}[client.rgw.a]\nlog file = /x\n"
    )


TOLD: dict[str, Any] = {"told": ["rgw_a"], "sums": {"rgw_a": "1", "rgw_b": "1", "rgw_c": "1"}}


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ({}, ""),
        ({"sums": {"rgw_a": "1", "rgw_b": "2"}}, ""),  # another default, which nobody has set
        ({"sums": {"rgw_a": "2"}}, "goes by another rgw_a"),
        ({"sums": {"rgw_b": "1"}}, "has no rgw_a: take them out"),
        ({"told": ["rgw_b"], "sums": {"rgw_a": "1", "rgw_b": "2"}}, "goes by another rgw_b"),
    ],
)
def test_what_either_was_told_counts_for_both(new: dict[str, Any], words: str) -> None:
    found = gateway.unlike(TOLD, {**TOLD, **new})
    assert words in found
    assert bool(found) == bool(words)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"gateway.lacks": "there is no radosgw: install it"}, "new: there is no radosgw"),
        ({"gateway.standing": {}}, "old: no gateway runs there"),
        ({"ceph.release": 21}, "is of release 21, and the old one of 21"),  # which nobody knows
        ({"gateway.zones": ["here", "there"]}, r"shares its users' data .*\(here, there\)"),
    ],
)
def test_a_machine_that_cannot_have_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], words: str
) -> None:
    its = {"id": "rgw.a", "keyring": "/k", "frontends": "beast port=80"}
    usual: dict[str, Any] = {"gateway.noted": {}, "gateway.lacks": "", "gateway.standing": its}
    usual |= {"ceph.release": 18, "gateway.zones": ["here"]}
    for function, answer in (usual | answers).items():
        monkeypatch.setitem(fakes.ANSWERS, function, answer)
    old, new = fakes.FakeHost("old"), fakes.FakeHost("new")
    with pytest.raises(PreconditionError, match=words):
        gateway.stand_beside(old, new)
    assert "gateway.begin" not in new.asked


@dataclass
class Server:
    """An S3 server in memory that knows one user; `spoils` what it is given on the way."""

    port: int = 0
    kept: dict[str, bytes] = field(default_factory=dict)
    spoils: bool = False
    number: str = ""  # of its requests


@pytest.fixture
def server() -> Iterator[Server]:
    said = Server()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            signed = HmacV1Auth(Credentials(KEY, SECRET)).sign_string(
                f"{self.command}\n\n{self.headers.get('Content-Type', '')}\n"
                f"{self.headers['Date']}\n{self.path}"
            )
            status = 200
            if self.headers["Authorization"] != f"AWS {KEY}:{signed}":
                status = 200 if self.path == "/" else 403
            elif self.command == "PUT":
                said.kept[self.path] = body
            content = said.kept.get(self.path, b"") if self.command == "GET" else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("x-amz-request-id", said.number)
            self.end_headers()
            self.wfile.write(content[:-1] + b"!" if content and said.spoils else content)

        do_GET = do_PUT = do_HEAD = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        said.port = http.server_port
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield said
        http.shutdown()
        thread.join()


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What `radosgw-admin` knows, in its place."""
    known = ["tenant"]

    def admin(id_: str, keyring: str, kind: str, act: str, *more: str) -> Any:
        assert (id_, keyring, kind) == ("rgw.a", "/k", "user")
        name = more[0].partition("=")[2] if more else ""
        if act == "create":
            known.append(name)
            return {"keys": [{"access_key": KEY, "secret_key": SECRET}]}
        if act == "rm":
            known.remove(name)
        return list(known)

    monkeypatch.setattr(program, "admin", admin)
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "migrate"))
    return known


def test_a_visitor_signs_as_clients_do_and_leaves_nobody(server: Server, users: list[str]) -> None:
    at = ["127.0.0.1", server.port]
    assert visitor.answers(at)
    assert visitor.objects("rgw.a", "/k", [at, at]) == ""
    assert [len(one) for one in server.kept.values()] == [0, visitor.OBJECT, visitor.OBJECT]
    assert users == ["tenant"]
    server.spoils = True
    assert "gives another object than" in visitor.objects("rgw.a", "/k", [at])
    assert users == ["tenant"]
    assert record.load(visitor.NOTE) is None


def test_what_refuses_a_visitor_is_told_and_he_is_gone(server: Server, users: list[str]) -> None:
    with pytest.raises(OSError, match="answers 403 to PUT"):
        visitor._exchanged("x", (KEY, "another"), [["127.0.0.1", server.port]])
    assert not visitor.answers(["127.0.0.1", 1])
    told = visitor.objects("rgw.a", "/k", [["127.0.0.1", 1]])
    assert told.startswith("the gateway at 127.0.0.1:1 does not answer: ")
    assert users == ["tenant"]


def test_a_visitor_of_a_run_that_was_killed_is_shown_out(users: list[str]) -> None:
    record.save(visitor.NOTE, {"user": "sidestep-1", "id": "rgw.a", "keyring": "/k"})
    users.append("sidestep-1")
    visitor.leave()
    assert users == ["tenant"]
    visitor.leave()
    record.save(visitor.NOTE, {"user": "never made", "id": "rgw.a", "keyring": "/k"})
    visitor.leave()
    assert record.load(visitor.NOTE) is None


def stored(home: Path, url: str) -> Context:
    """A cloud of no services that keeps its backup at *url*."""
    context, _ = fakes.context(home)
    settings = context.settings.model_copy(update={"backup": url})
    return replace(context, settings=settings, recipes=())


OUTLAST = "which a backup is to outlast"
REQUEST = "tx000009e2c57796996e368-006b0acec0-107e-default"


@pytest.mark.parametrize(
    ("number", "gateways", "severity"),
    [
        (REQUEST, ["10.0.0.7", "127.0.0.1"], "warning"),
        (REQUEST, ["10.0.0.7"], "info"),
        (REQUEST, None, "info"),
        (REQUEST, [], ""),
        ("4442587FB7D0A2F9", ["127.0.0.1"], ""),
        ("tx1", None, ""),
        ("", None, ""),
    ],
)
def test_a_backup_in_the_clouds_own_cluster_is_told(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: str,
    gateways: list[str] | None,
    severity: str,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setitem(fakes.ANSWERS, "ceph.gateways", gateways)
    server.number = number
    found = backup.run(stored(tmp_path, "s3://there/below"))
    assert [one.severity for one in found] == ([severity] if severity else [])


def test_a_backup_at_the_clouds_own_address_is_told_by_whatever_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy on a controller may lead to gateways elsewhere."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://localhost:{server.port}")
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setitem(fakes.ANSWERS, "ceph.gateways", [])
    server.number = REQUEST
    context = stored(tmp_path, "s3://there/below")
    assert list(backup.run(context)) == []
    context.source.controllers[0].address = "127.0.0.1"
    (found,) = backup.run(context)
    assert found.message.startswith("s3://there/below is in the cloud's own Ceph cluster")
    assert "migrate backup --execute --to" in found.remedy


@pytest.mark.parametrize("to", ["", "s3://another/below"])
def test_the_command_tells_it_before_it_stores(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    to: str,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setitem(fakes.ANSWERS, "ceph.gateways", ["127.0.0.1"])
    server.number = REQUEST
    session = SimpleNamespace(context=stored(tmp_path, "s3://there/below"))
    monkeypatch.setattr(preparation, "at_work", lambda *_, **__: nullcontext(session))
    preparation.run_backup(Screen(), "test", execute=False, take_over=False, to=to)
    TERMINAL.flush()
    told, remedy, would = capsys.readouterr().out.splitlines()
    url = to or "s3://there/below"
    assert told == f"WARNING backup: {url} is in the cloud's own Ceph cluster, {OUTLAST}"
    assert backup.REMEDY in remedy
    assert url in would


def test_a_dead_controller_forbids_no_backup(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for advice alone."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    server.number = REQUEST
    context = stored(tmp_path, "s3://there/below")
    dead = fakes.FakeHost("old", dead=True)
    context = replace(context, source=replace(context.source, controllers=(dead,)))
    assert [one.severity for one in backup.run(context)] == ["info"]


def test_amazon_is_not_asked() -> None:
    assert store.at("s3://there/below").gateway() == ""


def test_a_place_that_does_not_answer_is_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    (found,) = backup.run(stored(tmp_path, "s3://there/below"))
    assert found.message.startswith("s3://there/below does not answer: ")
    assert list(backup.run(stored(tmp_path, tmp_path.as_uri()))) == []
