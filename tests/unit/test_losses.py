"""What going back would lose: by project and type, whole, with what cannot be made again."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.engine import markers, state_directory
from migrate.errors import MigrateError
from migrate.phases import machines, rollback
from migrate.services import kinds
from migrate.takeover import front, going_live, virtual_ip
from migrate.verify import boot, losses, lost_data
from migrate.verify.listing import Listing, _plain
from migrate.verify.losses import Losses, find
from tests.unit import fakes

DEMO: dict[str, Any] = {"id": "p1", "name": "demo"}
SERVER: dict[str, Any] = {
    "id": "s1",
    "name": "web",
    "tenant_id": "p1",
    "status": "ACTIVE",
    "metadata": {"a": "b"},
}
VOLUME: dict[str, Any] = {
    "id": "v1",
    "name": "Bücher",
    "os-vol-tenant-attr:tenant_id": "p1",
    "size": 1,
    "os-vol-host-attr:host": "old@nfs1#nfs",
    "volume_type": "nfs",
}


def listing(absent: Any = None, **resources: Any) -> Listing:
    named = {name.replace("_", "-"): found for name, found in resources.items()}
    return Listing({"project": {"p1": DEMO}, **named}, absent or {}, {}, 0.0, 0.0)


def found(before: Listing, now: Listing, **more: Any) -> Losses:
    return find("lab", before, now, released=1795262400.0, **more)


def types(result: Losses, project: str = "demo") -> Any:
    named = {one["name"]: one["types"] for one in result.document["projects"]}
    return named.get(project, {})


def test_each_change_is_whole_and_in_its_project() -> None:
    renamed = {**SERVER, "name": "www", "metadata": {}, "updated": "later"}
    port = {"id": "n1", "name": "", "project_id": "p1"}
    result = found(
        listing(server={"s1": SERVER}, port={"n1": port}, flavor={}),
        listing(server={"s1": renamed}, port={}, flavor={"f1": {"id": "f1", "name": "big"}}),
    )
    assert result.counts == {"created": 1, "changed": 1, "deleted": 1, "data": 0}
    assert types(result) == {
        "server": {
            "changed": [
                {
                    "id": "s1",
                    "name": "www",
                    "fields": ["name", "metadata.a"],
                    "before": SERVER,
                    "now": renamed,
                }
            ]
        },
        "port": {"deleted": [{"id": "n1", "name": "n1", "before": port}]},
    }
    assert types(result, "(the cloud's own)")["flavor"]["created"][0]["name"] == "big"
    assert result.summary() == "1 created, 1 changed, 1 deleted"


@pytest.mark.parametrize(
    ("type_", "id_", "resource"),
    [
        ("network", "x", {"project_id": "p1"}),
        ("image", "x", {"owner": "p1"}),
        ("stack", "x", {"project": "p1"}),
        ("snapshot", "x", {"os-extended-snapshot-attributes:project_id": "p1"}),
        ("role-assignment", "x", {"scope": {"project": {"id": "p1"}}}),
        ("attachment", "x", {"volume_id": "v1"}),
        ("compute-quota", "p1", {"cores": 3}),
        ("stack-resource", "t1/server", {"resource_name": "server"}),
        ("project", "p1", {"name": "demo"}),
    ],
)
def test_a_project_is_found_however_it_is_named(type_: str, id_: str, resource: Any) -> None:
    rest: dict[str, Any] = {
        "volume": {"v1": VOLUME},
        "stack": {"t1": {"id": "t1", "project": "p1"}},
    }
    now = Listing({"project": {"p1": DEMO}, **rest, type_: {id_: resource}}, {}, {}, 0.0, 0.0)
    assert lost_data.Projects(now, now).project(type_, id_) == "p1"


def test_what_the_move_itself_or_another_change_does_is_no_loss() -> None:
    agent = {"binary": "x", "alive": True, "heartbeat_timestamp": "1"}
    result = found(
        listing(
            server={"s1": SERVER},
            agent={"a": agent},
            hypervisor={"h": {"running_vms": 1}},
            port={"n": {"revision_number": 1, "updated_at": "1", "status": "ACTIVE"}},
        ),
        listing(
            server={"s1": {**SERVER, "new_in_the_release": None, "OS-EXT-STS:task_state": "x"}},
            agent={"a": {**agent, "alive": False}, "b": agent},
            hypervisor={"h": {"running_vms": 2}},
            port={"n": {"revision_number": 2, "updated_at": "2", "status": "DOWN"}},
        ),
    )
    assert not result
    assert result.summary() == "nothing"
    assert result.document["projects"] == []


def test_a_property_that_a_user_gave_to_an_image_is_a_loss() -> None:
    one, two = {"id": "i1", "owner": "p1"}, {"id": "i2", "owner": "p1"}
    now = {"i1": {**one, "os_hidden": False, "mine": "x"}, "i2": {**two, "os_hidden": False}}
    result = found(listing(image={"i1": one, "i2": two}), listing(image=now))
    (changed,) = types(result)["image"]["changed"]
    assert changed["fields"] == ["mine"]


def test_no_two_kinds_are_named_by_the_same_field() -> None:
    fields = [kind.reference for kind in kinds() if kind.reference]
    assert len(fields) == len(set(fields)) == 5


def test_what_a_killed_verification_left_is_no_loss() -> None:
    ours = {
        "server": {"s9": {"id": "s9", "name": f"{boot.NAME}-c1", "tenant_id": "p1"}},
        "volume": {"v9": {"id": "v9", "name": boot.VOLUME, "os-vol-tenant-attr:tenant_id": "p1"}},
        "port": {"n9": {"id": "n9", "name": f"{boot.NAME}-c1", "project_id": "p1"}},
        "security_group": {"g9": {"id": "g9", "name": f"{boot.NAME}-c1", "project_id": "p1"}},
        "security_group_rule": {"r9": {"security_group_id": "g9"}},
    }
    empty: dict[str, Any] = {name: {} for name in ours}
    assert not found(listing(**empty), listing(**ours))
    # a user's own thing of another type may bear the name
    user = {"network": {"n": {"name": f"{boot.NAME}-c1", "project_id": "p1"}}}
    assert found(listing(network={}), listing(**user)).counts["created"] == 1


def test_a_type_that_is_not_told_needs_a_word_too() -> None:
    result = found(listing(trunk={"t": {}}), listing({"trunk": "answered 404"}))
    assert result
    assert result.total == 0
    assert "answered 404" in result.summary()


SNAPSHOT = {"id": "z", "name": "night", "volume_id": "v1"}
TRACE = {"type": "snapshot", "id": "z", "name": "night", "of": "v1"}


@pytest.mark.parametrize(
    ("now", "traces", "told"),
    [
        ({"volume": {}}, [], "deleted: its data is gone"),
        ({"volume": {"v1": {**VOLUME, "size": 5}}}, [], "size was 1, is 5"),
        ({"volume": {"v1": {**VOLUME, "volume_type": "ssd"}}}, [], "volume_type was nfs, is ssd"),
        ({"snapshot": {"z": SNAPSHOT}}, [], "snapshot night (z) was made"),
        ({}, [TRACE], "snapshot night was made and deleted again"),
    ],
)
def test_data_on_shared_storage_is_named_apart(now: Any, traces: Any, told: str) -> None:
    both: dict[str, Any] = {"volume": {"v1": VOLUME}, "snapshot": {}}
    result = found(listing(**both), listing(**{**both, **now}), traces=traces)
    (one,) = result.document["data"]
    assert told in one["what"]
    assert (one["type"], one["id"], one["project"]) == ("volume", "v1", "demo")
    assert "lost for good" in result.summary()


def test_data_of_what_the_source_never_knew_is_not_lost() -> None:
    both: dict[str, Any] = {"volume": {"v1": VOLUME}, "snapshot": {}}
    other = {**SNAPSHOT, "volume_id": "v2"}
    now = {"volume": {"v1": VOLUME, "v2": {**VOLUME, "id": "v2"}}, "snapshot": {"z": other}}
    result = found(listing(**both), listing(**now), traces=[{**TRACE, "id": "y", "of": "v2"}])
    assert result.document["data"] == []
    assert result.counts["created"] == 2
    assert "cinder manage" in " ".join(result.document["remarks"])


def test_after_accepting_it_says_what_nobody_can_tell() -> None:
    result = found(listing(), listing(), accepted=1795262500.0)
    assert not result
    assert result.document["accepted"] == "2026-11-21T12:01:40+00:00"
    assert "nothing tells which" in result.document["remarks"][0]


def test_secrets_are_digests_however_deep() -> None:
    kind = next(one for one in kinds() if one.type == "attachment")
    plain = _plain(
        kind, {"id": "a", "connection_info": {"auth_password": "hush", "target": "iqn.x"}}
    )
    assert "hush" not in json.dumps(plain)
    assert plain["connection_info"]["target"] == "iqn.x"
    server = next(one for one in kinds() if one.type == "server")
    plain = _plain(server, {"id": "s", "OS-EXT-SRV-ATTR:user_data": "aHVzaA=="})
    assert plain["OS-EXT-SRV-ATTR:user_data"].startswith("sha256:")


def test_an_export_is_private_and_never_written_over(tmp_path: Path) -> None:
    session: Any = SimpleNamespace(home=tmp_path)
    empty = found(listing(server={}), listing(server={}))
    assert rollback.export(session, empty) is None
    result = found(listing(server={}), listing(server={"s1": SERVER}))
    paths = {rollback.export(session, result) for _ in range(3)}
    assert len(paths) == 3
    for path in paths:
        assert path is not None
        assert path.stat().st_mode & 0o777 == 0o600
        assert state_directory.recorded(path) == result.document
    assert sorted(tmp_path.iterdir()) == sorted(p for p in paths if p)


@pytest.mark.parametrize(
    ("stage", "flipped", "taken", "serves"),
    [
        ("released", 0.0, False, True),
        ("synced", 0.0, True, True),  # the run died right after the address had moved
        ("synced", 1.5, False, True),  # or after calls had been let through
        ("synced", 0.0, False, False),
        (MigrateError("silent"), MigrateError("silent"), MigrateError("silent"), False),
        (MigrateError("silent"), 1.5, MigrateError("silent"), True),
    ],
)
def test_users_may_have_written_as_soon_as_calls_or_the_address_lead_to_the_target(
    monkeypatch: pytest.MonkeyPatch, stage: Any, flipped: Any, taken: Any, serves: bool
) -> None:
    def answers(value: Any) -> Any:
        def ask(_: Any) -> Any:
            if isinstance(value, Exception):
                raise value
            return value

        return ask

    monkeypatch.setattr(markers, "stage", answers(stage))
    monkeypatch.setattr(front, "flipped", answers(flipped))
    monkeypatch.setattr(virtual_ip, "carried", answers(taken))
    no_context: Any = None
    assert going_live.written(no_context) is serves


@pytest.mark.parametrize("source", ["answers", "silent"])
def test_who_looks_is_not_told_that_nothing_is_lost_where_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    context, _ = fakes.context(tmp_path)
    session: Any = SimpleNamespace(context=context)
    seen = {"old": {"side": "source", source: "x"}, "new": {"side": "target", "silent": "x"}}
    monkeypatch.setattr(machines, "look", lambda _: seen)
    monkeypatch.setattr(going_live, "written", lambda _: False)
    found = rollback.foreseen(session)
    assert bool(found.unknown) is (source == "silent")


def test_what_was_found_a_moment_ago_is_not_asked_again(tmp_path: Path) -> None:
    context: Any = SimpleNamespace(home=tmp_path)
    assert rollback.kept(context, 60) is None
    state_directory.record(tmp_path / rollback.FILE, losses.unknown("lab", 1.0, "x").document)
    kept = rollback.kept(context, 60)
    assert kept
    assert kept.unknown == ["x"]
    assert rollback.kept(context, -1) is None


def test_the_table_shows_some_names_and_counts_all(capsys: pytest.CaptureFixture[str]) -> None:
    many = {f"n{i}": {"name": f"[net] {i:02}", "project_id": "p1"} for i in range(11)}
    Screen().losses(found(listing(network={}), listing(network=many)))
    TERMINAL.flush()
    shown = capsys.readouterr().out
    assert "11 created" in shown
    assert "[net] 00" in shown
    assert "and 3 more" in shown


DISK: dict[str, Any] = {
    **SERVER,
    "image": {"id": "i1"},
    "flavor": {"original_name": "small", "ephemeral": 0},
    "OS-EXT-SRV-ATTR:host": "c1",
}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"s1": DISK}, {}, "deleted: its disk is gone"),
        ({}, {"s1": DISK}, "its disk on c1 could be given to"),
        ({"s1": DISK}, {"s1": {**DISK, "image": {"id": "i2"}}}, "rebuilt"),
        ({"s1": DISK}, {"s1": {**DISK, "flavor": {"original_name": "big"}}}, "resized"),
        ({"s1": DISK}, {"s1": {**DISK, "OS-EXT-SRV-ATTR:host": "c2"}}, "on c1, it is on c2"),
        ({"s1": DISK}, {"s1": {**DISK, "status": "SHELVED_OFFLOADED"}}, "shelved"),
        ({"s1": {**DISK, "image": "", "flavor": {"ephemeral": 5}}}, {}, "its disk is gone"),
        ({"s1": DISK}, {"s1": {**DISK, "name": "renamed"}}, ""),
        ({"s1": {**DISK, "image": ""}}, {}, ""),  # boots from a volume
        ({}, {"s1": {**DISK, "name": f"{boot.NAME}-c1"}}, ""),
    ],
)
def test_a_servers_own_disk_is_named(old: Any, new: Any, told: str) -> None:
    data = found(listing(server=old), listing(server=new)).document["data"]
    assert [told in one["what"] for one in data] == ([True] if told else [])
    assert all((one["type"], one["id"], one["project"]) == ("server", "s1", "demo") for one in data)


IMAGE: dict[str, Any] = {"id": "i1", "name": "mine", "owner": "p1", "checksum": "ab"}


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ({}, {"i1": IMAGE}, True),
        ({"i1": {**IMAGE, "checksum": None}}, {"i1": IMAGE}, True),
        ({"i1": IMAGE}, {"i1": {**IMAGE, "name": "other"}}, False),
        ({}, {"i1": {**IMAGE, "checksum": None}}, False),  # nothing was uploaded
        ({"i1": IMAGE}, {}, False),  # the source has its own
    ],
)
def test_an_images_bytes_are_named(old: Any, new: Any, lost: bool) -> None:
    result = found(listing(image=old), listing(image=new))
    assert [one["type"] for one in result.document["data"]] == (["image"] if lost else [])
    hidden = found(listing(image=old, hidden_image={}), listing(image={}, hidden_image=new))
    assert bool(hidden.document["data"]) is lost


def test_stacks_of_other_projects_are_found() -> None:
    released = 1795262400.0

    def row(id_: str, made: float, gone: float | None = None) -> dict[str, Any]:
        return {"id": id_, "name": f"stack {id_}", "tenant": "p1", "created_at": made} | {
            "deleted_at": gone,
            "updated_at": None,
        }

    rows = [
        row("new", released + 1),
        row("old", released - 9),
        {**row("undated", 0.0), "created_at": None},
        row("gone", released - 9, released + 2),
        row("passing", released + 1, released + 2),
        row("listed", released + 1),
    ]
    listed = {"id": "listed", "stack_name": "listed", "project": "p1"}
    result = found(listing(stack={}), listing(stack={"listed": listed}), unlisted={"stack": rows})
    assert result.counts == {"created": 2, "changed": 2, "deleted": 1, "data": 0}
    told = {change: [one["id"] for one in all_] for change, all_ in types(result)["stack"].items()}
    assert told == {
        "created": ["listed", "new"],
        "changed": ["old", "undated"],
        "deleted": ["gone"],
    }
