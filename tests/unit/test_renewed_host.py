"""A renewed host takes servers again: proven by a new one, or named as not proven so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from migrate.computes import draining, proof, service
from migrate.computes.probing import note
from migrate.engine import state_directory
from migrate.engine.cancellation import Cancellation
from migrate.errors import StepError
from migrate.storage.volumes import policy
from migrate.verify import boot, probe, renewed_host
from tests.unit import booting
from tests.unit.network import Killed


class Lab:
    """c1 is renewed and closed, for the reason that is given."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, reason: str, **decided: Any
    ) -> None:
        self.cloud = booting.Cloud()
        self.context = booting.context(folder, self.cloud, monkeypatch, **decided)
        self.host = self.context.source.computes[0]
        self.row = self.cloud.services["c1"]
        self.row |= {"status": "disabled", "disabled_reason": reason}
        self.cloud.renewed.add("c1")
        state_directory.record(proof._path(self.context, self.host), {"service": "1"})

    def open(self) -> str:
        """What is not proven."""
        renewed_host.open_again(self.context, self.host)
        assert renewed_host.is_open(self.context, self.host)
        assert self.cloud.left == []
        found: dict[str, str] = self.context.extras.get(renewed_host.UNPROVEN, {})
        return found.get("c1", "")

    @property
    def moves(self) -> list[tuple[str, str]]:
        return [(one["source_compute"], one["dest_compute"]) for one in self.cloud.migrations]


def boot_from_volume(lab: Lab) -> None:
    """As the one server that runs does."""
    lab.cloud.add_volume("v", "web")
    lab.cloud.boots("web", "v")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch, service.REASON)


def test_the_new_server_goes_to_another_host_and_comes_back(lab: Lab) -> None:
    assert lab.open() == ""
    assert lab.row["status"] == "enabled"
    assert lab.moves == [("c1", "c2"), ("c2", "c1")]
    came = {(one.source.release, one.to.release) for one in note.read(lab.context)}
    assert came == {("2026.1", "2025.1"), ("2025.1", "2026.1")}


def test_a_host_without_room_is_opened_and_named(lab: Lab) -> None:
    lab.cloud.full = {"c1"}
    assert "no room" in lab.open()
    assert lab.row["status"] == "enabled"
    assert lab.cloud.where == {"web": "c1"}


def test_a_host_that_takes_none_like_those_that_run_is_opened_and_named(lab: Lab) -> None:
    lab.cloud.broken, lab.cloud.fault = {"c1"}, "No valid host was found. There are not enough."
    assert "No valid host" in lab.open()
    assert lab.row["status"] == "enabled"


def test_where_only_users_own_images_run_it_is_opened_and_named(lab: Lab) -> None:
    lab.cloud.image = {"status": "active", "visibility": "shared", "owner": "p"}
    assert "of users' own images (i)" in lab.open()
    assert lab.row["status"] == "enabled"
    assert "POST servers" not in lab.cloud.events


def test_one_that_somebody_else_closed_stays_so_and_is_named(lab: Lab) -> None:
    lab.row["disabled_reason"] = "a broken fan"
    assert "somebody else has closed it" in lab.open()
    assert lab.row["status"] == "disabled"


def test_one_on_which_none_comes_up_is_closed_again(lab: Lab) -> None:
    lab.cloud.broken = {"c1"}
    with pytest.raises(StepError, match="ERROR"):
        renewed_host.open_again(lab.context, lab.host)
    assert service.is_ours(lab.row)
    assert not renewed_host.is_open(lab.context, lab.host)
    assert lab.cloud.left == []


@pytest.mark.parametrize(
    ("full", "closed", "ports", "batch", "why"),
    [
        ("", ("c2", "c3"), [16509], (), "no other host of its zone is open"),
        ("", (), [16509], ("c1", "c2", "c3"), "no other host of its zone is open"),
        (("c2", "c3"), (), [16509], (), "no other host of its zone has room"),
        ("", (), [22], (), "nothing listens on its port 16509"),
    ],
)
def test_where_it_can_go_nowhere_it_is_booted_and_that_is_named(
    lab: Lab,
    full: Collection[str],
    closed: Collection[str],
    ports: list[int],
    batch: Collection[str],
    why: str,
) -> None:
    lab.cloud.full, lab.cloud.ports = set(full), ports
    for name in closed:
        lab.cloud.services[name]["status"] = "disabled"
    renewed_host.during(lab.context, batch)
    assert why in lab.open()
    assert lab.moves == []
    assert "POST servers" in lab.cloud.events


def test_the_stack_file_can_leave_it_untried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, service.REASON, probe=False)
    assert "probe: false" in lab.open()
    assert lab.moves == []


@pytest.mark.parametrize("wall", [("c1", "c2"), ("c2", "c1")])
def test_one_that_does_not_go_and_come_back_closes_the_host_again(
    lab: Lab, wall: tuple[str, str]
) -> None:
    lab.cloud.walls = {wall}
    with pytest.raises(StepError, match=r"libvirt said no.*`probe: false`"):
        renewed_host.open_again(lab.context, lab.host)
    assert service.is_ours(lab.row)
    assert lab.cloud.left == []


def test_where_nothing_was_live_migrated_before_either_that_is_only_named(lab: Lab) -> None:
    lab.cloud.walls = {("c1", "c2"), ("c2", "c1"), ("c2", "c3"), ("c3", "c2")}
    for _ in range(2):  # what came of it is no excuse for the next time
        with pytest.raises(StepError):
            renewed_host.open_again(lab.context, lab.host)
    lab.context.extras.clear()
    probe.begin(lab.context, ["c2"])
    lab.cloud.renewed.clear()
    probe.try_all(lab.context)
    lab.cloud.renewed.add("c1")
    lab.context.extras.clear()
    assert "libvirt said no" in lab.open()


@pytest.mark.parametrize("from_volume", [False, True])
def test_killed_at_each_call_the_next_run_opens_it_and_nothing_of_ours_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_volume: bool
) -> None:
    for call in range(100):
        (home := tmp_path / str(call)).mkdir()
        lab = Lab(home, monkeypatch, service.REASON)
        if from_volume:
            boot_from_volume(lab)
        lab.cloud.dies_at = call
        try:
            renewed_host.open_again(lab.context, lab.host)
        except Killed:
            lab.cloud.dies_at = None
            assert not renewed_host.is_open(lab.context, lab.host)
            assert lab.open() == ""
        else:
            break
    assert call > 8 + 2 * from_volume


@pytest.fixture
def rooted(lab: Lab) -> Lab:
    """Every server of its cloud boots from a volume."""
    boot_from_volume(lab)
    return lab


def test_where_all_boot_from_volumes_so_does_the_new_one(rooted: Lab) -> None:
    assert rooted.open() == ""
    assert rooted.moves == [("c1", "c2"), ("c2", "c1")]
    assert {one.shape.disks for one in note.read(rooted.context)} == {"volume rbd"}
    assert rooted.cloud.events.count("POST volumes") == 1
    assert set(rooted.cloud.volumes) == {"v"}


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda cloud: setattr(cloud, "refused", 413), "VolumeLimitExceeded"),
        (lambda cloud: setattr(cloud, "becomes", "error"), "went into error"),
        (lambda cloud: cloud.image.update(status="deactivated"), "that is still there"),
        (lambda cloud: cloud.image.update(visibility="private"), "of users' own images"),
    ],
)
def test_where_no_volume_can_be_made_for_it_the_host_is_opened_and_named(
    rooted: Lab, broken: Callable[[booting.Cloud], object], why: str
) -> None:
    broken(rooted.cloud)
    assert why in rooted.open()
    assert rooted.row["status"] == "enabled"
    assert "POST servers" not in rooted.cloud.events
    assert set(rooted.cloud.volumes) == {"v"}


def test_no_volume_is_made_for_it_that_could_not_be_deleted(
    rooted: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "protected", lambda *_: False)
    assert "before accept" in rooted.open()
    assert "POST volumes" not in rooted.cloud.events


def test_a_volume_of_another_host_of_its_batch_is_left_alone(rooted: Lab) -> None:
    mine = {"name": boot.VOLUME, "metadata": {boot.NAME: boot.MARK, boot.FOR: "c2"}}
    mine |= {"os-vol-tenant-attr:tenant_id": "ours", "status": "available", "at": ""}
    rooted.cloud.volumes["other"] = {"id": "other", **mine}
    renewed_host.open_again(rooted.context, rooted.host)
    assert rooted.cloud.left == ["other"]


def test_nobody_waits_for_a_copy_once_the_operator_stops_and_the_next_run_deletes_it(
    rooted: Lab,
) -> None:
    stop = Cancellation()
    draining.share(rooted.context, stop)
    rooted.cloud.looks_at_copies, rooted.cloud.copying = 1000, lambda: stop.request("the operator")
    with pytest.raises(StepError, match="is left to the next run"):
        renewed_host.open_again(rooted.context, rooted.host)
    assert service.is_ours(rooted.row)
    assert not renewed_host.is_open(rooted.context, rooted.host)
    (volume,) = rooted.cloud.left
    assert rooted.cloud.volumes[volume]["looks"] > 900
    rooted.cloud.looks_at_copies, rooted.cloud.copying = 2, lambda: None
    draining.share(rooted.context, Cancellation())
    assert rooted.open() == ""
