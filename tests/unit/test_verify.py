"""Heartbeats by their time, the dashboard's form, what a new server is made of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from migrate.cloud.api import ApiError
from migrate.errors import StepError
from migrate.verify import boot, dashboard, heartbeats, model, new_server
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
    found = heartbeats.wait(
        api, heartbeats.expected(BEFORE), RELEASED, seconds=0, sleep=lambda _: None
    )
    assert found.silent == ("nova-compute on cmp1", "nova-conductor")


def test_what_was_alive_is_heard_after_the_release() -> None:
    conductor = service("nova-conductor", "new", "2026-11-21T12:00:04.000000")
    api: Any = FakeApi(
        [conductor, service("nova-compute", "cmp1", "2026-11-21T11:59:59.000000")],
        [conductor, service("nova-compute", "cmp1", "2026-11-21T12:00:09.500000")],
    )
    found = heartbeats.wait(
        api, heartbeats.expected(BEFORE), RELEASED, seconds=5, sleep=lambda _: None
    )
    assert found.silent == ()
    assert found.heard == {"nova-conductor": 4.0, "nova-compute on cmp1": 9.5}


def test_what_was_purged_is_missed_by_nobody() -> None:
    old = {"c": service("nova-strange", "old", ""), "d": service("nova-conductor", "old", "")}
    before = listing(compute_service={**old, "e": service("nova-compute", "cmp1", "")})
    assert heartbeats.expected(before, {"c", "d"}) == {"nova-compute on cmp1", "nova-conductor"}


def test_what_the_operator_left_is_missed_by_nobody() -> None:
    rows = {one: service(one, "old", "") for one in ("cinder-backup", "cinder-volume")}
    before = listing(volume_service=rows)
    assert heartbeats.expected(before, left=("cinder-backup",)) == {"cinder-volume on old"}


@pytest.mark.parametrize(
    "text", ["2026-11-21T12:00:00.000000", "2026-11-21 12:00:00", "2026-11-21T12:00:00Z"]
)
def test_the_times_of_every_api(text: str) -> None:
    assert heartbeats.moment(text) == RELEASED


def server(id_: str, host: str, flavor: str = "small", **more: Any) -> dict[str, Any]:
    ram = {"small": 512, "big": 4096, "pinned": 64}[flavor]
    specs = {"hw:cpu_policy": "dedicated"} if flavor == "pinned" else {}
    return {
        **{"id": id_, "host": host, "image": {"id": "i1"}, "OS-EXT-STS:task_state": None},
        "flavor": {"original_name": flavor, "ram": ram, "extra_specs": specs},
        **more,
    }


class Now:
    """As much of `Api` as is asked for a model: servers that run, and how much memory is free."""

    def __init__(self, *servers: dict[str, Any], free: int = 9999) -> None:
        self.servers, self.free = servers, free
        self.images, self.visibility = {"i1": "active"}, "public"
        self.flavors = ["small", "big", "pinned"]

    def pages(self, service: str, path: str, key: str, **query: str) -> list[dict[str, Any]]:
        if path != "/flavors/detail":
            return list(self.get(service, path, **query)[key])
        rams = {"small": 512, "big": 4096, "pinned": 64}
        return [
            {"id": f"id-{one}", "name": one, "vcpus": 1, "ram": rams[one], "disk": 1, "swap": ""}
            | {"extra_specs": {"hw:cpu_policy": "dedicated"} if one == "pinned" else {}}
            for one in self.flavors
        ]

    def get(self, service: str, path: str, **query: str) -> Any:
        if path == "/servers/detail":
            flavor = query.get("flavor", "id-").removeprefix("id-")
            found = [
                one
                for one in self.servers
                if query.get("host") in (None, one["host"])
                and flavor in ("", one["flavor"]["original_name"])
            ]
            return {"servers": found[: int(query.get("limit", "1000"))]}
        if path.startswith("/images/"):
            if path[8:] not in self.images:
                raise ApiError(path, 404, "gone")
            ours = {"visibility": self.visibility, "owner": "somebody"}
            return {"status": self.images[path[8:]], **ours}
        if path == "/ports":
            known = query["device_id"] != "unplugged"
            return {"ports": [{"network_id": f"net-{query['device_id']}"}] if known else []}
        if path == "/os-hypervisors/detail":
            return {"hypervisors": [{"id": "node", "service": {"host": "cmp1"}}]}
        assert (path, query["in_tree"]) == ("/allocation_candidates", "node")
        ram = int(query["resources"].partition("MEMORY_MB:")[2].split(",")[0])
        return {"allocation_requests": [{}] if ram <= self.free else []}


def chosen(*servers: dict[str, Any], **more: Any) -> Any:
    api: Any = Now(*servers, **more)
    return next(model.candidates(api, "cmp1"), None)


def test_a_new_server_is_like_one_that_runs_there() -> None:
    there = server("s1", "cmp1", "big")
    assert chosen(server("s2", "cmp2"), there) == model.Model("i1", "id-big", "net-s1")


def test_where_none_there_will_do_it_is_like_one_elsewhere_without_demands() -> None:
    elsewhere = (server("s2", "cmp2", "pinned"), server("s3", "cmp2"))
    assert chosen(*elsewhere) == model.Model("i1", "id-small", "net-s3")
    full = server("s1", "cmp1", "big")
    assert chosen(full, *elsewhere, free=600) == model.Model("i1", "id-small", "net-s3")


def test_a_server_that_shows_what_to_boot_is_found_among_any_number_of_others() -> None:
    """The newest of a large cloud are all of one kind, which will not do here."""
    many = [server(f"n{n}", "cmp2", "big", image="") for n in range(300)]
    assert chosen(*many, server("old", "cmp2")) == model.Model("i1", "id-small", "net-old")
    assert chosen(*many, server("old", "cmp1")) == model.Model("i1", "id-small", "net-old")


def test_each_flavor_that_has_room_may_be_tried_those_with_demands_last() -> None:
    api: Any = Now(
        server("s1", "cmp1", "big"), server("s2", "cmp2"), server("s3", "cmp2", "pinned")
    )
    found = [one.flavor for one in model.candidates(api, "cmp1")]
    assert found == ["id-big", "id-small", "id-pinned"]


class Scheduler:
    """As much of nova as a boot needs: each new server fails, for one of *faults*."""

    def __init__(self, *faults: str) -> None:
        self.faults = list(faults)

    def get(self, *_: str) -> Any:
        return {"server": {"status": "ERROR", "fault": {"message": self.faults.pop(0)}}}


def booting(monkeypatch: pytest.MonkeyPatch, *faults: str) -> list[str]:
    """The flavors that a boot has tried."""
    nova, tried = Scheduler(*faults), list[str]()
    models = [model.Model("i", one, "n") for one in ("big", "small", "pinned", "more")]
    monkeypatch.setattr(boot, "sweep", lambda *_: None)
    monkeypatch.setattr(new_server, "best", lambda *_: iter(models))
    port = {"fixed_ips": [{"ip_address": "a"}], "id": "p"}
    monkeypatch.setattr(boot, "_port", lambda *_: nullcontext(port))
    monkeypatch.setattr(boot, "_delete", lambda *_: None)
    monkeypatch.setattr(boot, "_create", lambda _, one, *__: tried.append(one.flavor))
    new_server.tried(None, nova, "c")  # type: ignore[arg-type]
    return tried


def test_a_host_for_others_only_is_told_by_the_scheduler_s_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = "No valid host was found. There are not enough hosts available."
    with pytest.raises(model.NoPlaceError, match="takes no new server for it: No valid host"):
        booting(monkeypatch, *[nowhere] * 3)
    broken = "Exceeded maximum number of retries. Exhausted all hosts available"
    with pytest.raises(StepError, match="went into ERROR: Exceeded") as told:
        booting(monkeypatch, nowhere, broken)
    assert not isinstance(told.value, model.NoPlaceError)


def test_a_host_without_room_is_told_and_not_an_error() -> None:
    assert chosen(server("s1", "cmp1"), free=100) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"image": ""},
        {"image": {"id": "deleted"}},
        {"id": "unplugged"},
        {"OS-EXT-STS:task_state": "deleting"},
        {"flavor": {"original_name": "deleted", "ram": 1}},
    ],
)
def test_where_no_server_can_be_the_model_it_says_so(odd: dict[str, Any]) -> None:
    with pytest.raises(StepError, match="boot one server"):
        chosen({**server("s1", "cmp1"), **odd})
    assert chosen({**server("s1", "cmp1"), **odd}, server("s2", "cmp2")) is not None


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
