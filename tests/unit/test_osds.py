"""OSDs whose data a fresh system would not find are told, each with where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from migrate.onhost import osds


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder on a file system that is not the root's."""
    with TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name).resolve()


@pytest.fixture
def folder(disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data of osd.0, which lie on that."""
    monkeypatch.setattr(osds, "FOLDERS", str(tmp_path))
    data = disk / "ceph-0"
    data.mkdir()
    (data / "fsid").write_text("f0\n")
    (data / "block").write_text("data")
    (tmp_path / "ceph-0").symlink_to(data)
    return data


def test_one_that_lies_in_a_folder_of_a_disk_of_its_own_is_found(folder: Path) -> None:
    assert osds.here() == [{"id": 0, "fsid": "f0", "kind": "folder", "place": str(folder)}]


@pytest.mark.parametrize("part", ["block", "block.db", "block.wal"])
def test_what_such_a_folder_only_leads_to_would_be_lost(
    folder: Path, tmp_path: Path, part: str
) -> None:
    (folder / part).unlink(missing_ok=True)
    (folder / part).symlink_to(tmp_path / "device")
    with pytest.raises(RuntimeError, match=rf"osd.0 keeps its {part} in {tmp_path}/device, which"):
        osds.here()


def test_a_partition_of_ceph_disk_is_told_from_what_a_raw_device_says_of_itself() -> None:
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\n"
        "/dev/sdb1 /var/lib/ceph/osd/ceph-0 xfs rw,noatime 0 0\n"
        "tmpfs /var/lib/ceph/osd/ceph-1 tmpfs rw,relatime 0 0\n"
    )
    named = [f"/var/lib/ceph/osd/ceph-{one}" for one in range(3)]
    assert [osds.file_system(one, mounts) for one in named] == ["xfs", "tmpfs", ""]
