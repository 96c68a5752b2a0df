"""Which states mean that somebody is at work, and how every page of a listing is read."""

from __future__ import annotations

from typing import Any

import pytest

from migrate import services
from migrate.cloud import api as api_module
from migrate.cloud import operations
from migrate.cloud.api import Api, moved
from migrate.errors import StepError
from migrate.services.rest import Kind


class Answer:
    def __init__(self, document: dict[str, Any], status: int = 200) -> None:
        self.document, self.status_code, self.text = document, status, str(document)

    def json(self) -> dict[str, Any]:
        return self.document


class Session:
    """Stands for a keystoneauth session: answers from a list, notes what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.asked = list(answers), []  # type: list[Answer], list[dict[str, Any]]

    def get(self, url: str, params: dict[str, str], headers: dict[str, str], **_: Any) -> Answer:
        self.asked.append({"url": url, **params, "headers": headers})
        return self.answers.pop(0)


def listed(type_: str) -> Kind:
    found = services.kind(type_)
    assert found
    return found


def api(*answers: Answer) -> tuple[Api, Session]:
    session = Session(*answers)
    connection: Any = type("Connection", (), {"session": session})()
    one = Api(connection)
    one._bases = {"compute": "http://vip:8774/v2.1", "identity": "http://vip:5000/v3"}
    return one, session


@pytest.mark.parametrize(
    ("status", "task", "busy"),
    [
        ("ACTIVE", None, False),
        ("ERROR", None, False),
        ("SHELVED_OFFLOADED", None, False),
        ("VERIFY_RESIZE", None, False),
        ("BUILD", "spawning", True),
        ("BUILD", None, True),
        ("ACTIVE", "deleting", True),
        ("ACTIVE", "image_uploading", True),
        ("MIGRATING", "migrating", True),
        ("RESIZE", None, True),
        ("HARD_REBOOT", "reboot_started_hard", True),
    ],
)
def test_servers(status: str, task: str | None, busy: bool) -> None:
    row = {"id": "s", "name": "web", "tenant_id": "p", "status": status}
    one, _ = api(Answer({"servers": [{**row, "OS-EXT-STS:task_state": task}]}))
    assert bool(operations.changing(one, listed("server"))) is busy


@pytest.mark.parametrize(
    ("status", "busy"),
    [("available", False), ("in-use", False), ("error_extending", False), ("reserved", False)]
    + [(one, True) for one in ("creating", "downloading", "attaching", "detaching", "uploading")]
    + [(one, True) for one in ("deleting", "extending", "retyping", "backing-up")],
)
def test_volumes(status: str, busy: bool) -> None:
    asked = listed("volume").busy
    assert asked
    assert bool(asked.describe({"status": status})) is busy


def test_every_page_is_read_and_no_link_is_followed() -> None:
    next_page = [{"rel": "next", "href": "http://vip:8774/v2.1/servers/detail?marker=b&limit=2"}]
    one, session = api(
        Answer({"servers": [{"id": "a"}, {"id": "b"}], "servers_links": next_page}),
        Answer({"servers": [{"id": "c"}]}),
    )
    one._bases = {"compute": "http://10.0.0.11:8774/v2.1"}
    assert [row["id"] for row in one.pages("compute", "/servers/detail", "servers")] == list("abc")
    assert [asked["url"] for asked in session.asked] == [
        "http://10.0.0.11:8774/v2.1/servers/detail"
    ] * 2
    assert session.asked[1]["marker"] == "b"


def test_a_page_of_keystone_that_was_cut_off_is_no_listing() -> None:
    one, _ = api(Answer({"users": [{"id": "a"}], "links": {"next": None}, "truncated": True}))
    with pytest.raises(StepError, match="list_limit"):
        one.pages("identity", "/users", "users")


def test_keystone_says_where_the_next_page_begins() -> None:
    links = {"next": "http://vip:5000/v3/users?limit=1&marker=a"}
    one, _ = api(
        Answer({"users": [{"id": "a"}], "links": links, "truncated": True}),
        Answer({"users": [{"id": "b"}], "links": {"next": None}}),
    )
    assert len(one.pages("identity", "/users", "users")) == 2


def test_a_proxy_without_a_backend_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "PAUSES", (0.0, 0.0))
    one, session = api(Answer({}, 503), Answer({"servers": []}))
    assert one.get("compute", "/servers") == {"servers": []}
    assert len(session.asked) == 2


def test_a_refusal_is_told_at_once() -> None:
    one, session = api(Answer({"error": "forbidden"}, 403))
    with pytest.raises(StepError, match="answered 403"):
        one.get("compute", "/servers")
    assert len(session.asked) == 1


def test_an_answer_that_is_no_answer_is_told_with_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api_module, "PAUSES", (0.0, 0.0))
    one, _ = api(*[Answer({"error": "no backend"}, 503) for _ in range(3)])
    with pytest.raises(StepError, match=r"8774/v2\.1/servers answered 503"):
        one.get("compute", "/servers")


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("https://cloud.example:8774/v2.1", "http://10.0.0.11:8774/v2.1"),
        ("http://10.0.0.10:8776/v3/abc", "http://10.0.0.11:8776/v3/abc"),
    ],
)
def test_the_same_service_at_a_controllers_own_address(url: str, there: str) -> None:
    assert moved(url, "10.0.0.11") == there


@pytest.mark.parametrize(
    ("path", "kind", "field"),
    [
        ("/volumes/detail", "volume", "os-vol-tenant-attr:tenant_id"),
        ("/snapshots/detail", "snapshot", "os-extended-snapshot-attributes:project_id"),
        ("/backups/detail", "backup", "os-backup-project-attr:project_id"),
    ],
)
def test_whose_it_is(path: str, kind: str, field: str) -> None:
    """The fields as cinder's API reference has them."""
    one, _ = api(Answer({f"{kind}s": [{"id": "v", "status": "creating", field: "p1"}]}))
    one._bases = {"volume": "http://vip:8776/v3"}
    assert listed(kind).path == path
    assert [found.project for found in operations.changing(one, listed(kind))] == ["p1"]
