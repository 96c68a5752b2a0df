"""A bucket by TLS: whose certificate is believed, and what is said of one that is not."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from migrate.errors import PreconditionError
from migrate.storage.backup import store
from tests.certificates import Authority

REMEDY = "AWS_CA_BUNDLE has to name the file of the authority that signed its certificate"


class Handler(BaseHTTPRequestHandler):
    """Gives whatever object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"kept")

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of who hangs up."""


Serve = Callable[[str], str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server with these PEM blocks; its URL."""
    running = []

    def start(pem: str) -> str:
        (path := tmp_path / "own.pem").write_text(pem)
        server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        return f"https://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path := tmp_path / "authority.pem"))
    monkeypatch.setattr("time.sleep", lambda _: None)  # what boto3 waits before it asks again
    return path


def kept() -> bytes:
    return b"".join(store.at("s3://there/below").get("x"))


def test_the_operators_authority_is_believed(
    serve: Serve, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Authority()
    monkeypatch.setenv("AWS_ENDPOINT_URL", serve(ours.signed("127.0.0.1")))
    bundle.write_text(ours.pem)
    assert kept() == b"kept"


@pytest.mark.parametrize(
    ("known", "name", "words"),
    [
        ("none", "127.0.0.1", "unable to get local issuer certificate"),
        ("another", "127.0.0.1", "certificate verify failed"),
        ("its", "elsewhere.example", "doesn't match 'elsewhere.example'"),
    ],
)
def test_any_other_is_refused_in_one_sentence(
    serve: Serve, bundle: Path, monkeypatch: pytest.MonkeyPatch, known: str, name: str, words: str
) -> None:
    ours = Authority()
    monkeypatch.setenv("AWS_ENDPOINT_URL", serve(ours.signed(name)))
    bundle.write_text({"its": ours, "another": Authority(), "none": ours}[known].pem)
    if known == "none":
        monkeypatch.delenv("AWS_CA_BUNDLE")
    place = store.at("s3://there/below")
    for refused in (kept, place.gateway, lambda: place.put("x", [b"x"])):
        with pytest.raises(PreconditionError, match=REMEDY) as told:
            refused()
        said = str(told.value)
        assert said.startswith("s3://there/below")
        assert words in said
        assert "\n" not in said
