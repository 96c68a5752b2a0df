"""Heartbeats by their time, the dashboard's form, what a new server is made of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from migrate.errors import StepError
from migrate.verify import boot, dashboard, heartbeats
from migrate.verify.listing import Listing

RELEASED = heartbeats.moment("2026-11-21T12:00:00.000000")


def listing(**resources: Any) -> Listing:
    named = {name.replace("_", "-"): found for name, found in resources.items()}
    return Listing(named, {}, {}, 0.0, 0.0)


def service(binary: str, host: str, updated: str, **more: str) -> dict[str, str]:
    row = {"binary": binary, "host": host, "status": "enabled", "state": "up"}
    return {**row, "updated_at": updated, **more}


class FakeApi:
    """Nova's services as they are asked again and again."""

    bases = {"compute": ""}  # noqa: RUF012  a stand-in

    def __init__(self, *answers: list[dict[str, str]]) -> None:
        self.answers = list(answers)

    def pages(self, *_: str) -> list[dict[str, str]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


BEFORE = listing(
    compute_service={
        "a": service("nova-compute", "cmp1", ""),
        "b": service("nova-conductor", "old", ""),
        "c": service("nova-compute", "cmp2", "", status="disabled"),
        "d": service("nova-compute", "cmp3", "", state="down"),
    }
)


def test_a_copied_row_that_says_up_is_not_heard() -> None:
    api: Any = FakeApi([service("nova-compute", "cmp1", "2026-11-21T11:59:59.000000")])
    found = heartbeats.wait(api, BEFORE, RELEASED, seconds=0, sleep=lambda _: None)
    assert found.silent == ("nova-compute on cmp1", "nova-conductor")


def test_what_was_alive_is_heard_after_the_release() -> None:
    conductor = service("nova-conductor", "new", "2026-11-21T12:00:04.000000")
    api: Any = FakeApi(
        [conductor, service("nova-compute", "cmp1", "2026-11-21T11:59:59.000000")],
        [conductor, service("nova-compute", "cmp1", "2026-11-21T12:00:09.500000")],
    )
    found = heartbeats.wait(api, BEFORE, RELEASED, seconds=5, sleep=lambda _: None)
    assert found.silent == ()
    assert found.heard == {"nova-conductor": 4.0, "nova-compute on cmp1": 9.5}


@pytest.mark.parametrize(
    "text", ["2026-11-21T12:00:00.000000", "2026-11-21 12:00:00", "2026-11-21T12:00:00Z"]
)
def test_the_times_of_every_api(text: str) -> None:
    assert heartbeats.moment(text) == RELEASED


PORTS = {"p": {"device_id": "s1", "network_id": "n1"}}
IMAGES = {"i1": {"status": "active"}}
FLAVORS = {"f1": {"name": "tiny"}}


def server(**more: Any) -> dict[str, Any]:
    made = {"id": "s1", "status": "ACTIVE", "image": {"id": "i1"}}
    return {**made, "flavor": {"original_name": "tiny"}, "OS-EXT-SRV-ATTR:host": "cmp1", **more}


def test_a_new_server_is_like_one_that_runs() -> None:
    found = boot.choose(
        listing(server={"s1": server()}, port=PORTS, image=IMAGES, flavor=FLAVORS), "cmp1"
    )
    assert found == boot.Recipe("i1", "f1", "n1")


@pytest.mark.parametrize("odd", [{"status": "SHUTOFF"}, {"image": ""}, {"id": "no port"}])
def test_where_no_server_can_be_the_model_it_says_so(odd: dict[str, Any]) -> None:
    before = listing(server={"s1": server(**odd)}, port=PORTS, image=IMAGES, flavor=FLAVORS)
    with pytest.raises(StepError, match="boot one server"):
        boot.choose(before, "cmp1")


FORM = """<form><input type="hidden" name="csrfmiddlewaretoken" value="t0k3n">
<input name="username"><input type="password" name="password"></form>"""


class Horizon(BaseHTTPRequestHandler):
    """A dashboard with the form, its cookie and its redirects, as Django answers."""

    def do_GET(self) -> None:
        inside = "sessionid=yes" in self.headers.get("Cookie", "")
        if self.path.startswith("/horizon/auth/login"):
            self._say(200, FORM, "csrftoken=t0k3n")
        elif inside:
            self._say(200, "<title>Instances</title>")
        else:
            self._say(302, "", location="/horizon/auth/login/?next=" + self.path)

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        cookie = "csrftoken=t0k3n" in self.headers.get("Cookie", "")
        if not cookie or sent["csrfmiddlewaretoken"] != ["t0k3n"] or "Referer" not in self.headers:
            self._say(403, "CSRF verification failed")
        elif sent["password"] == ["right"]:
            self._say(302, "", "sessionid=yes", location=sent["next"][0])
        else:
            self._say(200, FORM + '<div class="alert alert-danger">Invalid credentials.</div>')

    def _say(self, status: int, text: str, cookie: str = "", location: str = "") -> None:
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", cookie + "; Path=/")
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def horizon() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Horizon)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/horizon/auth/login/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_dashboard_lets_us_in(horizon: str) -> None:
    reached = dashboard.log_in(horizon, user="admin", password="right", domain="Default")
    assert reached.endswith("/horizon/")


def test_the_dashboard_refuses_a_wrong_password(horizon: str) -> None:
    with pytest.raises(StepError, match=r"refused the login of admin: Invalid credentials\."):
        dashboard.log_in(horizon, user="admin", password="wrong", domain="Default")


def test_a_dashboard_that_does_not_answer() -> None:
    with pytest.raises(StepError, match="does not answer"):
        dashboard.log_in("http://127.0.0.1:9/", user="a", password="b", domain="c", seconds=2)
