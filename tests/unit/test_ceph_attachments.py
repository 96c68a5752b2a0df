"""Stored attachments name the new monitors beside the old, and no attachment of another's does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from migrate.database import connection
from migrate.errors import PreconditionError, StepError
from migrate.storage.ceph import attachments
from tests.unit.ceph_world import Attachments, World, cinder, nova

OLD, NEW, OTHER = "10.0.0.1", "10.0.0.12", "10.9.9.9"
NFS = json.dumps({"driver_volume_type": "nfs", "data": {"export": "nas:/x", "name": "rbd"}})
RBD = '{"driver_volume_type": "rbd"'


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path)
    found.attachments.serve(monkeypatch)
    return found


@pytest.fixture
def rows(world: World) -> Attachments:
    """One of each kind."""
    found = world.attachments
    found.add(found.NOVA, 1, nova(OLD))
    found.add(found.NOVA, 2, nova(OLD), deleted=2)
    found.add(found.NOVA, 3, NFS)
    found.add(found.NOVA, 4, nova(OTHER))
    found.add(found.NOVA, 10, nova(OLD, OTHER))  # of another monitor that left long ago
    found.add(found.CINDER, "a", f'{RBD}, "hosts": ["10.0')
    found.add(found.CINDER, "b", cinder(OLD))
    found.add(found.CINDER, "c", cinder(NEW))
    found.add(found.CINDER, "d", cinder())
    return found


def both(found: Attachments) -> tuple[dict[Any, str], dict[Any, str]]:
    return found.texts(found.NOVA), found.texts(found.CINDER)


@pytest.mark.parametrize("page", [1, 2, 500])
def test_they_name_both_then_the_old_alone_or_the_new_alone(
    world: World, rows: Attachments, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(attachments, "PAGE", page)
    context, (of_nova, of_cinder) = world.context, both(rows)
    attachments.forget(context)  # of what never happened changes nothing
    assert both(rows) == (of_nova, of_cinder)
    assert not attachments.told(context)
    attachments.tell(context)
    assert attachments.told(context)
    now = both(rows)
    assert now[0] == {**of_nova, 1: nova(OLD, NEW), 10: nova(OLD, OTHER, NEW)}
    assert now[1] == {**of_cinder, "b": cinder(OLD, NEW)}
    attachments.forget(context)
    assert both(rows) == (of_nova, of_cinder)
    assert not world.hosts["new"].notes.keys() & {attachments.NOTE}
    assert not attachments.told(context)

    attachments.tell(context)
    assert attachments.left(context, {OLD})
    attachments.drop(context, {OLD})
    assert not attachments.left(context, {OLD})
    assert both(rows)[0] == {**of_nova, 1: nova(NEW), 10: nova(OTHER, NEW)}
    assert both(rows)[1] == {**of_cinder, "b": cinder(NEW)}
    assert rows.asked == {"new"}  # the source's databases are not even read


def test_the_only_address_of_a_volume_is_never_taken_out(world: World) -> None:
    found = world.attachments
    found.add(found.NOVA, 1, nova(OLD))
    attachments.drop(world.context, {OLD})
    assert found.texts(found.NOVA) == {1: nova(OLD)}


def test_what_lacks_a_new_monitor_is_counted_and_what_is_strange_named(
    world: World, rows: Attachments
) -> None:
    told = [str(one) for one in attachments.findings(world.context)]
    assert [one.partition(" do not")[0] for one in told[:2]] == [
        f"info [] 2 attachments in {rows.NOVA}",
        f"info [] 1 attachments in {rows.CINDER}",
    ]
    (strange,) = told[2:]
    assert f"volume-4 in {rows.NOVA} names no monitor of this cluster; volume volume-a" in strange
    assert "Unterminated string" in strange
    attachments.tell(world.context)
    (same,) = map(str, attachments.findings(world.context))
    assert same == strange


def test_what_a_user_attaches_or_detaches_meanwhile_is_not_written_over(world: World) -> None:
    found, fresh = world.attachments, nova(OLD, NEW).replace("volumes/1", "volumes/2")
    for id_ in (1, 2, 3):
        found.add(found.NOVA, id_, nova(OLD))

    def meanwhile(id_: int) -> None:
        if id_ == 1:
            found.rows[found.NOVA][2]["deleted"] = 2
            found.rows[found.NOVA][3]["text"] = fresh

    found.meanwhile = meanwhile
    attachments.tell(world.context)
    assert found.texts(found.NOVA) == {1: nova(OLD, NEW), 2: nova(OLD), 3: fresh}
    assert attachments.told(world.context)


def test_the_undo_is_known_before_the_first_is_written_and_one_that_resists_is_told(
    world: World,
) -> None:
    found, noted = world.attachments, []
    found.add(found.NOVA, 1, nova(OLD))

    def meanwhile(_: object) -> None:
        noted.append(world.hosts["new"].notes[attachments.NOTE])
        row = found.rows[found.NOVA][1]
        row["text"] = f"{row['text']} "

    found.meanwhile = meanwhile
    with pytest.raises(StepError, match="new: 1 attachments changed in the last of 3 rounds"):
        attachments.tell(world.context)
    assert noted == [{"addresses": [NEW]}] * attachments.ROUNDS


def test_a_database_that_does_not_work_holds_no_way_back_up(
    world: World, rows: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = both(rows)
    attachments.tell(world.context)

    def broken(*_: object) -> None:
        raise PreconditionError("new: MariaDB does not let root in")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "session", broken)
        attachments.forget(world.context)
    assert attachments.NOTE in world.hosts["new"].notes
    attachments.forget(world.context)  # the next time
    assert both(rows) == before


def test_without_a_new_monitor_in_the_map_nothing_counts_as_told(world: World) -> None:
    del world.cluster.monitors["new"]
    with pytest.raises(PreconditionError, match="new: new monitors are not in the map"):
        attachments.told(world.context)


@pytest.mark.parametrize(
    ("text", "within", "why"),
    [
        ("[]", "", "names no hosts where"),
        ("[]", "data", "names no hosts where"),
        (f'{RBD}, "hosts": [], "ports": []}}', "data", "names no hosts where"),
        (RBD, "", "delimiter"),
        (f'{RBD}, "data": []}}', "data", "names no hosts where"),
        (f'{RBD}, "hosts": ["{OLD}"]}}', "", "a port for each host"),
        (f'{RBD}, "hosts": "{OLD}", "ports": "6789"}}', "", "a port for each host"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, within: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        attachments.changed(text, within, list)


def test_addresses_are_as_cinder_stores_them() -> None:
    def add(known: Sequence[attachments.Address]) -> Sequence[attachments.Address]:
        return [*known, attachments._split("[fd00::12]:6789")]

    assert attachments.changed(cinder("fd00::1"), "", add) == cinder("fd00::1", "fd00::12")
    assert attachments.changed(NFS, "data", add) == NFS
