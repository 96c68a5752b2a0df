"""What is computed of a shadow without a machine: door, filter, judging, what is started."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.cloud.api import Api, ApiError
from migrate.onhost import shadow_gate
from migrate.services import CORE
from migrate.services.unit import UNSAID
from migrate.shadow import answers, heads, judging, remedies, serving
from migrate.shadow.gate import Gate, Session
from migrate.verify import listing
from migrate.verify.listing import Listing
from tests.unit import fakes

BEFORE = 1000.0


class Service(BaseHTTPRequestHandler):
    """Tells how it was asked."""

    def do_GET(self) -> None:
        told = {"path": self.path, "token": self.headers["X-Auth-Token"]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def do_HEAD(self) -> None:
        good = self.path != "/v3/auth/tokens" or self.headers["X-Subject-Token"] == "good"
        self.send_response(204 if good else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Door:
    """A host whose door is open."""

    def unix_stream(self, path: str) -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        link.connect(path)
        return link


@pytest.fixture
def gate(tmp_path: Path, service: str) -> Iterator[Gate]:
    path = str(tmp_path / "door")
    server = shadow_gate.Server(path, shadow_gate.Handler)
    server.ways = (service,)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host: Any = Door()
    with Gate(host, path) as made:
        yield made
    server.shutdown()
    server.server_close()


def test_the_door_lets_through_what_reads_and_nothing_else(gate: Gate, service: str) -> None:
    status, text = gate.ask("GET", f"http://{service}/v3?a=1", {"X-Auth-Token": "t"})
    assert (status, json.loads(text)) == (200, {"path": "/v3?a=1", "token": "t"})
    assert gate.ask("HEAD", f"http://{service}/v3") == (204, "")
    for method, url in (
        ("POST", f"http://{service}/v3"),
        ("DELETE", f"http://{service}/v3"),
        ("GET", "http://127.0.0.1:1/v3"),
        ("GET", "http://192.0.2.1:5000/v3"),
        ("GET", f"https://{service}/v3"),
    ):
        status, text = gate.ask(method, url)
        assert status == 0
        assert "not let through" in text


def test_an_api_is_asked_with_the_sources_token(gate: Gate, service: str) -> None:
    access = SimpleNamespace(auth_token="from the source")
    api = Api(SimpleNamespace(session=Session(gate, access), config=None))
    api._bases = {"image": f"http://{service}/v2"}
    told = api.get("image", "/images", limit="1")
    assert told == {"path": "/v2/images?limit=1", "token": "from the source"}


def user(gate: Gate, service: str, token: str) -> Api:
    access = SimpleNamespace(auth_token=token)
    api = Api(SimpleNamespace(session=Session(gate, access), config=None))
    api._bases = {"identity": f"http://{service}/v3"}
    return api


@pytest.mark.parametrize(("token", "after"), [("good", ""), ("bad", "answered 404")])
def test_by_head_the_clone_gives_the_status_that_the_source_gives(
    gate: Gate, service: str, token: str, after: str
) -> None:
    (rest,) = (one.rest for one in CORE if one.rest and one.rest.service == "identity")
    own, shadow = user(gate, service, "good"), user(gate, service, token)
    asked, differ = heads.compare([rest], own, shadow)
    assert asked["HEAD identity /services"] == 204
    assert [(one.type, one.after) for one in differ] == (
        [("HEAD identity /auth/tokens", after)] if after else []
    )
    view = answers.View("demo", differences=differ)
    told = [answers.told(one, "demo") for one in view.document["differences"]]
    said = "identity: HEAD /auth/tokens: answered 204 on the source, answered 404 on the clone"
    assert told == ([f"{said}, as demo"] if after else [])


def test_a_shut_door_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrate.cloud.api.PAUSES", ())
    host: Any = Door()
    access = SimpleNamespace(auth_token="")
    api = Api(SimpleNamespace(session=Session(Gate(host, str(tmp_path / "none")), access)))
    api._bases = {"image": "http://192.0.2.12:9292/v2"}
    with pytest.raises(ApiError, match="got no answer"):
        api.get("image", "/images")


def test_all_but_apis_say_why_they_are_never_started() -> None:
    started = {unit.name for recipe in CORE for unit in recipe.units if not unit.no_shadow}
    assert started == {
        *("keystone", "glance-api", "placement-api", "nova-api", "neutron-api", "cinder-api"),
    }
    assert not [unit for recipe in CORE for unit in recipe.units if unit.no_shadow == UNSAID]
    told = serving.never(SimpleNamespace(recipes=CORE))  # type: ignore[arg-type]
    dangerous = {"cinder-volume", "cinder-backup", "glance-scrubber", "neutron-l3-agent"}
    assert dangerous | {"heat-engine", "nova-conductor"} <= set(told)
    assert not started & set(told)


def test_the_filter_knows_the_targets_own_addresses_and_ports(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    text = serving.rules(context, ["10.0.0.12", "10.0.0.9", "fd00::9"])
    assert "ip daddr { 127.0.0.0/8, 10.0.0.12, 10.0.0.9 } jump ours" in text
    assert "ip6 daddr { ::1, fd00::9 } jump ours" in text
    assert "3306" in text
    assert "@" not in text.replace("@left_to", "").replace("@own_to", "")


def listed(partial: tuple[str, ...] = (), **images: Any) -> Listing:
    found = {id_: {"id": id_, **fields} for id_, fields in images.items()}
    return Listing({"image": found}, {}, {}, BEFORE, 0.0, list(partial))


def differs(before: Listing, source: Listing, shadow: Listing) -> list[str]:
    judged = judging.judge([before], source, shadow, [before])
    return [str(one) for one in judged.differences]


A, B = {"name": "a", "size": 1}, {"name": "b", "size": 1}


@pytest.mark.parametrize(
    ("before", "source", "shadow", "told"),
    [
        ({"x": A}, {"x": A}, {"x": A}, []),
        ({"x": A}, {"x": A}, {"x": B}, ["image x: name was 'a', is 'b'"]),
        ({"x": A}, {"x": B}, {"x": A}, []),  # changed on the source since
        ({"x": A}, {"x": A, "y": B}, {"x": A}, []),  # made there since
        ({"x": A, "y": B}, {"x": A}, {"x": A, "y": B}, []),  # deleted there since
        ({"x": A, "y": B}, {"x": A, "y": B}, {"x": A}, ["image y was removed"]),
        ({"x": A}, {"x": A}, {"x": A, "y": B}, []),  # made and deleted there meanwhile
        ({"x": A}, {"x": A}, {"x": A, "y": {**B, "created_at": "2026-01-01T00:00:00Z"}}, []),
    ],
)
def test_what_the_source_itself_has_changed_is_not_judged(
    before: dict[str, Any], source: dict[str, Any], shadow: dict[str, Any], told: list[str]
) -> None:
    assert differs(listed(**before), listed(**source), listed(**shadow)) == told


def test_of_a_sample_only_what_both_told_is_compared() -> None:
    sample = ("image",)
    one, other = listed(sample, x=A, y=A), listed(sample, x=B, z=A)
    assert differs(one, one, other) == ["image x: name was 'a', is 'b'"]
    (told,) = differs(one, one, listed(sample, z=A))
    assert told == "image * was removed"


def test_what_is_refused_on_one_side_alone_is_told() -> None:
    told, refused = listed(x=A), Listing({}, {"image": judging.REFUSED}, {}, BEFORE, 0.0)
    (one,) = judging.judge([told], told, refused, [told]).differences
    assert one.after == "not told: answered 403"
    (one,) = judging.judge([refused], refused, told, [told]).differences
    assert (one.before, one.after) == ("answered 403", "told")
    assert judging.judge([refused], refused, refused, [told]).differences == ()


@pytest.mark.parametrize(("whole", "told"), [(("x", "y"), ["image y was added"]), (("x",), [])])
def test_what_a_user_sees_of_others_on_the_clone_alone_is_told(
    whole: tuple[str, ...], told: list[str]
) -> None:
    user, clone = listed(x=A), listed(x=A, y=B)
    seen: dict[str, Any] = dict.fromkeys(whole, A)
    found = judging.judge([user], user, clone, [listed(**seen)])
    assert [str(one) for one in found.differences] == told
    assert found.allowed == ({} if told else {judging.PASSED: 1})


def test_what_came_and_went_between_two_looks_is_not_judged() -> None:
    quiet, between = listed(x=A), listed(x=B, y=A)
    assert judging.judge([quiet, between], quiet, between, [quiet]).differences == ()


def test_a_difference_names_service_kind_id_field_and_user() -> None:
    view = answers.View(
        "demo",
        differences=list(judging.judge([listed(x=A)], listed(x=A), listed(x=B), []).differences),
    )
    (one,) = view.document["differences"]
    assert answers.told(one, "demo") == "image: image x: name was 'a', is 'b', as demo"
    login = {"service": "identity", "type": answers.LOGIN, "id": "admin", "field": ""}
    said = answers.told({**login, "before": "good", "after": "401"}, "admin")
    assert said == "identity: login: good on the source, 401 on the clone"


def one_of(type_: str, id_: str, before: str, after: str) -> dict[str, str]:
    return {"service": "image", "type": type_, "id": id_, "before": before, "after": after}


@pytest.mark.parametrize(
    ("differ", "more", "clauses"),
    [
        ([one_of("login", "admin", "good", "answered 401")], {}, [remedies.KEYS]),
        (
            [one_of("image", "*", "4 of them", "not told: answered 403")],
            {},
            [remedies.POLICY.format("the policies of image")],
        ),
        ([one_of("image", "x", "small", "another")], {"left": 3}, [remedies.LEFT, remedies.ELSE]),
        ([], {"dead": ["keystone"]}, [remedies.DEAD]),
    ],
)
def test_what_differs_says_what_to_look_at(
    differ: list[dict[str, str]], more: dict[str, Any], clauses: list[str]
) -> None:
    shadow = {"views": [{"differences": differ}], "left": 0, "dead": [], **more}
    assert remedies.of(shadow) == clauses


class Many:
    """A session that tells of 40 users, each with one credential."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, url: str, **_: Any) -> Any:
        self.asked.append(url)
        key = url.rpartition("/")[2]
        rows = [{"id": f"u{n:02}", "name": "n"} for n in range(40)] if key == "users" else []
        if key == "roles":
            return SimpleNamespace(status_code=403, text="no", json=dict)
        return SimpleNamespace(status_code=200, text="", json=lambda: {key: rows})


def test_a_sample_is_bounded_and_tells_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SAMPLE", 30)
    session = Many()
    api = Api(SimpleNamespace(session=session))
    api._bases = {"identity": "http://192.0.2.1:5000/v3"}
    wanted = ("user", "application-credential", "role")
    found = listing.take(api, microversions={"x": "1"}, types=wanted, sample=True)
    assert len(found.resources["user"]) == 30
    assert found.partial == ["application-credential", "user"]
    each = [url for url in session.asked if url.endswith("application_credentials")]
    assert len(each) == listing.PARENTS
    assert found.absent["role"].endswith("answered 403: no")
