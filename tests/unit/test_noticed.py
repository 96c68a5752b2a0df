"""What users notice is recorded beside the run: each API's silence, and nothing that hinders it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.cloud.settings import CloudsFile, VirtualIp
from migrate.engine import state_directory
from migrate.services.base import ApiPort
from migrate.verify import noticed
from tests.unit import fakes
from tests.unit.test_after_verify import Handler, serve
from tests.wait import waits_for

__all__ = ["serve"]


class Closable(Handler):
    """Says 503 while the cloud is closed."""

    answers = 200


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(noticed, "INTERVAL", 0.01)
    monkeypatch.setattr(noticed, "KEEP_SECONDS", 0.02)
    yield
    Closable.answers = 200


def cloud(home: Path, *ports: int, at: tuple[str, ...] = ("127.0.0.1",), cert: str = "") -> Context:
    """One whose APIs are served by this process, and one that is not of the catalogue."""
    context, _ = fakes.context(home)
    apis = [ApiPort(name=f"api{n}", port=port, types=("x",)) for n, port in enumerate(ports)]
    recipe = replace(
        context.recipes[0], apis=(*apis, ApiPort(name="proxy", port=ports[0], path="/heavy"))
    )
    ips = tuple(VirtualIp(address=IPv4Address(one), interface="lo", prefix=32) for one in at)
    entry: dict[str, Any] = {
        "auth": {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "p"}
    }
    entry |= {"cert": cert} if cert else {}
    (home / "clouds.yaml").write_text(json.dumps({"clouds": {"admin": entry}}))
    administrator = CloudsFile(name="admin", file=home / "clouds.yaml")
    return replace(
        context,
        recipes=(recipe,),
        settings=context.settings.model_copy(update={"cloud": administrator}),
        source=replace(context.source, virtual_ips=ips),
    )


def begun(home: Path, command: str = "cutover") -> bool:
    """Wait until what is asked was found out, and is kept."""
    return waits_for(lambda: command in noticed.kept(home), 30)


def heard(home: Path, what: str, command: str = "cutover") -> dict[str, Any]:
    record = noticed.kept(home)[command]
    (found,) = [one for one in record["heard"] if one["what"] == what]
    return dict(found)


def calls(home: Path, what: str = "api0") -> int:
    return int(heard(home, what)["calls"])


def more(home: Path, number: int = 3) -> bool:
    """Wait until some more calls are kept."""
    assert begun(home)
    before = calls(home)
    return waits_for(lambda: calls(home) >= before + number, 30)


@pytest.mark.parametrize("tls", [False, True])
def test_a_silence_is_measured_and_the_address_answers_throughout(
    serve: Any, tmp_path: Path, tls: bool
) -> None:
    notes: list[str] = []
    context = cloud(tmp_path, serve("127.0.0.1", Closable, tls=tls))
    with noticed.recording(context, "cutover", lambda *one: notes.append(str(one))):
        assert more(tmp_path)
        Closable.answers = 503
        began = time.monotonic()
        time.sleep(0.3)
        Closable.answers = 200
        assert more(tmp_path)
        longest = time.monotonic() - began
    found = heard(tmp_path, "api0")
    assert 0.1 <= found["longest"] <= longest + 0.1
    assert found["wrong"] == {"answered 503": found["failed"]}
    assert 0 < found["failed"] < found["calls"]
    assert found["silent_since"] is None
    assert heard(tmp_path, noticed.ADDRESS)["failed"] == 0
    assert [one["what"] for one in noticed.kept(tmp_path)["cutover"]["heard"]] == [
        *("api0", noticed.ADDRESS)
    ]
    assert (tmp_path / noticed.FILE).stat().st_mode & 0o777 == 0o600
    assert notes == []


def test_an_api_that_is_away_is_silent_to_the_end_and_no_other(serve: Any, tmp_path: Path) -> None:
    context = cloud(tmp_path, serve("127.0.0.1"), 9)  # nobody listens at the port of `discard`
    with noticed.recording(context, "cutover", lambda *_: None):
        assert more(tmp_path)
    away = heard(tmp_path, "api1")
    assert away["failed"] == away["calls"] > 0
    assert away["silent_since"]
    assert set(away["wrong"]) == {"does not answer: Connection refused"}
    assert heard(tmp_path, "api0")["failed"] == 0
    assert noticed.summary(tmp_path, "cutover").endswith("no answer yet from api1")


def test_an_api_is_asked_where_it_is_served(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for inside alone was never there for those outside."""
    port = serve("127.0.0.1")
    text = f"listen inside\n bind 127.0.0.1:{port}\n"
    state = {"running": True, "original": {"haproxy.cfg": text}}
    monkeypatch.setitem(fakes.ANSWERS, "haproxy.state", state)
    context = cloud(tmp_path, port, at=("127.0.0.1", "127.0.0.2"))
    with noticed.recording(context, "cutover", lambda *_: None):
        assert more(tmp_path)
    record = noticed.kept(tmp_path)["cutover"]["heard"]
    assert [one["at"] for one in record if one["what"] == "api0"] == [f"127.0.0.1:{port}"]
    assert [one["at"] for one in record if one["what"] == noticed.ADDRESS] == [
        *("127.0.0.1", "127.0.0.2")
    ]


def test_who_asks_for_a_certificate_gets_that_of_clouds_yaml(serve: Any, tmp_path: Path) -> None:
    port = serve("127.0.0.1", tls=True, asks=True)
    with noticed.recording(
        cloud(tmp_path, port, cert=str(tmp_path / "cert.pem")), "cutover", lambda *_: None
    ):
        assert more(tmp_path)
    assert heard(tmp_path, "api0")["failed"] == 0


def test_a_run_that_goes_on_goes_on_with_the_silence(serve: Any, tmp_path: Path) -> None:
    """Killed in the window: users were refused before it, meanwhile and after it."""
    context = cloud(tmp_path, serve("127.0.0.1", Closable))
    since = time.time() - 30
    before = noticed.Heard("api0", f"127.0.0.1:{context.recipes[0].apis[0].port}")
    before.note(since, 0.1, "answered 503")
    document = {"from": "then", "to": "then", "heard": [asdict(before)]}
    state_directory.record(tmp_path / noticed.FILE, {"cutover": document})
    with noticed.recording(context, "cutover", lambda *_: None):
        assert more(tmp_path)
    assert noticed.kept(tmp_path)["cutover"]["from"] == "then"
    assert heard(tmp_path, "api0")["longest"] == pytest.approx(30, abs=1)
    since = noticed.kept(tmp_path)["cutover"]["from"]
    with noticed.recording(context, "cutover", lambda *_: None):
        pass  # what has ended well is over
    assert (since, heard(tmp_path, "api0")["longest"]) == ("then", 0)
    with noticed.recording(context, "rollback", lambda *_: None):
        assert begun(tmp_path, "rollback")
        assert waits_for(lambda: bool(heard(tmp_path, "api0", "rollback")["calls"]), 30)
    assert set(noticed.kept(tmp_path)) == {"cutover", "rollback"}
    with noticed.recording(context, "cutover", lambda *_: None, anew=True):
        assert more(tmp_path)
    assert set(noticed.kept(tmp_path)) == {"cutover"}
    assert heard(tmp_path, "api0")["longest"] == 0


@pytest.mark.parametrize(
    "text", ["", "[]", '{"cutover": 1}', '{"cutover": {"heard": [{"other": 1}]}}']
)
def test_a_record_that_cannot_be_read_hinders_nothing(
    serve: Any, tmp_path: Path, text: str
) -> None:
    (tmp_path / noticed.FILE).write_text(text)
    notes: list[str] = []
    context = cloud(tmp_path, serve("127.0.0.1"))
    with noticed.recording(context, "cutover", lambda *one: notes.append(str(one))):
        assert waits_for(lambda: begun(tmp_path) and calls(tmp_path) > 0, 30)
    assert notes == []


def test_nor_does_a_disk_that_is_full_and_what_the_block_raises_comes_through(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    notes: list[str] = []
    monkeypatch.setattr(state_directory, "keep", full)
    context = cloud(tmp_path, serve("127.0.0.1"))

    def window() -> None:
        with noticed.recording(context, "cutover", lambda *one: notes.append(str(one))):
            time.sleep(0.1)
            raise KeyError("the step's own")

    with pytest.raises(KeyError, match="the step's own"):
        window()
    assert len(notes) == 1
    assert "No space left" in notes[0]


def test_what_cannot_be_asked_hinders_nothing_either(tmp_path: Path) -> None:
    notes: list[str] = []
    nothing: Any = (None,)
    context = replace(cloud(tmp_path, 9), recipes=nothing)
    with noticed.recording(context, "cutover", lambda *one: notes.append(str(one))):
        pass
    assert "no record is made" in notes[0]
