"""What is told once `migrate verify` has passed: APIs at each address, status, the report."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from migrate.cli.report import write_report
from migrate.cloud.settings import VirtualIp
from migrate.engine import state_directory
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase
from migrate.phases import cutover, status, timings
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.phases.verify import FILE
from migrate.services import RECIPES
from migrate.services.base import ApiPort
from migrate.takeover import listeners
from migrate.verify import addresses
from migrate.verify.noticed import Heard
from tests.unit import fakes


class Handler(BaseHTTPRequestHandler):
    answers = 200

    def do_GET(self) -> None:
        self.send_response(self.answers)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def api(port: int) -> ApiPort:
    return ApiPort(name="nova", port=port)


class Broken(Handler):
    answers = 503


def certificate(folder: Path) -> Path:
    """Of another name than any address, signed by itself."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloud.example")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "cert.pem"
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none)
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    running = []

    def start(
        address: str, handler: type[Handler] = Handler, *, tls: bool = False, asks: bool = False
    ) -> int:
        server = ThreadingHTTPServer((address, 0), handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path := certificate(tmp_path))
            if asks:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(path)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        return int(server.server_address[1])

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("tls", [False, True])
def test_an_api_is_asked_as_its_users_reach_it(serve: Any, address: str, tls: bool) -> None:
    port = serve(address, tls=tls)
    found = addresses.ask(api(port), address)
    assert found.wrong == ""
    assert found.status == 200
    assert found.url == f"http{'s' if tls else ''}://{address}:{port}/"


def test_a_proxy_without_a_backend_is_no_answer(serve: Any) -> None:
    port = serve("127.0.0.1", Broken)
    assert addresses.ask(api(port), "127.0.0.1").wrong == "answered 503"
    assert "does not answer" in addresses.ask(api(port), "127.0.0.3").wrong


def asked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> list[tuple[Any, ...]]:
    """Name, address and port of each call, with two virtual IPs, where the source had *source*."""
    context, hosts = fakes.context(tmp_path)
    ips = (*context.target.virtual_ips, VirtualIp(address=IPv4Address("10.9.0.9"), interface="e"))
    text = listeners.rendered([source], context.recipes, ips, "new", "10.0.0.12")
    monkeypatch.setattr(hosts["new"], "read", lambda _: text)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(addresses, "ask", lambda api, at, _: asked.append((api.name, at, api.port)))
    addresses.ask_all(replace(context, source=replace(context.source, virtual_ips=ips)))
    return asked


def test_every_api_at_every_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apis = [api for recipe in RECIPES for api in recipe.apis]
    assert len(asked_at(tmp_path, monkeypatch, "")) == len(apis) * 2


def test_an_api_for_inside_is_not_asked_for_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "defaults\n mode http\nlisten inside\n bind 10.0.0.9:8775\n"
    asked = asked_at(tmp_path, monkeypatch, source)
    assert [address for _, address, port in asked if port == 8775] == ["10.0.0.9"]
    assert len(asked) == 2 * sum(len(recipe.apis) for recipe in RECIPES) - 1


def test_who_asks_for_a_certificate_gets_ours(serve: Any, tmp_path: Path) -> None:
    port = serve("127.0.0.1", tls=True, asks=True)
    own = str(tmp_path / "cert.pem")
    assert addresses.ask(api(port), "127.0.0.1", own).wrong == ""
    assert "does not answer" in addresses.ask(api(port), "127.0.0.1").wrong


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    context, _ = fakes.context(tmp_path)
    plan = compose(context)
    journal = Journal(tmp_path / "journal", "cutover")
    for step in plan.phase(Phase.FOLLOW, Phase.CUTOVER):
        journal.record(step.phase, step.id, State.STARTED)
        journal.record(step.phase, step.id, State.DONE, "see `journalctl`")
    yield Session(context, plan, journal)
    journal.close()


def proof(session: Session, **changed: Any) -> None:
    now = datetime.now(UTC).timestamp()
    api = {"api": "nova", "url": "https://10.0.0.9:8774/", "status": 200, "seconds": 0.2}
    document: dict[str, Any] = {
        **{"good": True, "at": now + 1, "lines": ["it answered ping"], "findings": []},
        **{"resources": 3, "differences": [], "apis": [{**api, "wrong": ""}]},
    }
    state_directory.record(session.home / FILE, {**document, **changed})


def test_status_says_that_it_was_verified(session: Session) -> None:
    assert status.status(session, held="")["next"].startswith("`migrate verify")
    proof(session)
    said = status.status(session, held="")["next"]
    assert said.startswith("the target was verified at")
    assert "`migrate settle --stack test` and `migrate finish --stack test`" in said
    assert "`migrate accept --stack test --execute` when it is to stay" in said
    assert "`migrate rollback --stack test --execute`" in said


@pytest.mark.parametrize("changed", [{"good": False}, {"at": 1.0}, {"at": None}])
def test_another_or_a_bad_proof_does_not_count(session: Session, changed: Any) -> None:
    proof(session, **changed)
    assert status.status(session, held="")["next"].startswith("`migrate verify")


def test_the_report_shows_what_was_proven(session: Session) -> None:
    proof(session)
    table = {"rows": 5, "checksum": 1}
    fenced = {"databases": {"nova": ""}, "tables": {"nova.a": table, "nova.b": table}}
    state_directory.record(session.home / "fingerprint.json", fenced)
    state_directory.record(session.home / "images.json", {"files": 4, "bytes": 99})
    page = write_report(session).read_text()
    assert "`" not in page
    assert "<code>migrate accept --stack test --execute</code>" in page
    assert "2 tables of 1 databases, 10 rows" in page
    assert "4 image files, 99 bytes" in page
    assert "https://10.0.0.9:8774/" in page
    assert "it answered ping" in page


def test_the_report_sets_what_was_predicted_beside_what_was_measured(session: Session) -> None:
    page = write_report(session).read_text()
    window = json.loads((session.home / "report.json").read_text())["window"]
    assert set(window["parts"]) == set(window["predicted"])
    assert window["predicted"]["gate.drain"] == 2
    assert window["predicted_seconds"] > 2
    assert re.search(r"<b>[0-9.]+ s</b>window, predicted [0-9.]+ s", page)
    assert "s, predicted 2.0</text>" in page
    drain = [one for one in timings.of(session, Phase.CUTOVER) if one.step == "gate.drain"]
    assert [one.predicted for one in drain] == [2]


def test_the_report_has_what_users_noticed(session: Session) -> None:
    heard = Heard("nova", "10.0.0.9:8774")
    for at, wrong in ((10.0, ""), (11.0, "answered 503"), (40.0, "answered 503"), (41.5, "")):
        heard.note(at, 0.25, wrong)
    silent = Heard("heat", "10.0.0.9:8004")
    silent.note(10.0, 2.0, "does not answer within 2 s")
    document = {"from": "2026", "to": "2026", "heard": [asdict(heard), asdict(silent)]}
    state_directory.record(session.home / "noticed.json", {"cutover": document})
    page = write_report(session).read_text()
    row = "".join(
        f"<td>{cell}</td>"
        for cell in ("nova", "10.0.0.9:8774", 4, 2, "30.5 s", "0.25 s", "2 answered 503")
    )
    assert row in page
    assert "no answer at the end" in page
    report = json.loads((session.home / "report.json").read_text())
    assert report["noticed"]["cutover"]["heard"][0]["longest"] == 30.5
    assert "nova 30.5 s, and no answer yet from heat" in cutover.summary(session)
