"""What a backup holds of a cluster: its maps, keys and configuration, all of them or no backup."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from migrate.errors import CommandError
from migrate.storage.backup import collect, store, take
from migrate.storage.backup.take import Writer
from tests.unit.ceph_hosts import CephHost
from tests.unit.ceph_world import World

PROGRAM = """#!/bin/sh
shift 2
for last; do :; done
case "$*" in
  "{fails}"*) echo "no quorum" >&2; exit 1 ;;
  *" -o "*) echo "$*" >"$last"; echo "got it" >&2 ;;
  *) echo "$*" ;;
esac
"""


class Channel:
    """*argv* here, with the stand-in for `ceph` in its path."""

    def __init__(self, argv: tuple[str, ...], folder: Path) -> None:
        path = {"PATH": f"{folder}:/usr/bin:/bin", "TMPDIR": str(folder)}
        self.done = subprocess.run(argv, capture_output=True, check=False, env=path)
        self.stream = io.BytesIO(self.done.stdout)
        self.recv = self.stream.read

    def settimeout(self, seconds: float) -> None: ...

    def close(self) -> None: ...

    def recv_exit_status(self) -> int:
        return self.done.returncode

    def recv_stderr(self, size: int) -> bytes:
        return self.done.stderr[:size]


def answer(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str = "-") -> None:
    program = folder / "ceph"
    program.write_text(PROGRAM.replace("{fails}", fails))
    program.chmod(0o755)
    monkeypatch.setattr(
        CephHost, "channel", lambda host, *argv: _noted(host, argv, folder), raising=False
    )


def _noted(host: Any, argv: tuple[str, ...], folder: Path) -> Channel:
    host._note("channel")
    return Channel(argv, folder)


def test_maps_keys_and_configuration_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    answer(world, tmp_path, monkeypatch)
    kept = Writer(store.at((tmp_path / "kept").as_uri()), "one", "")
    take.cluster(world.context, kept)
    with tarfile.open(tmp_path / "kept/one/ceph.tar.gz") as archive:
        found = {
            one.name: stream.read().decode().strip()
            for one in archive
            if (stream := archive.extractfile(one))
        }
    assert found == {
        "monmap": "mon getmap -o monmap",
        "osdmap": "osd getmap -o osdmap",
        "crushmap": "osd getcrushmap -o crushmap",
        "auth.keyring": "auth export -o auth.keyring",
        "config.json": "config dump -f json",
        "config-key.json": "config-key dump -f json",
        "osd-metadata.json": "osd metadata -f json",
        "report.json": "report",
    }
    assert not [*tmp_path.glob("tmp.*")]  # keys were there
    assert "channel" in world.hosts["mon"].asked
    assert [one["name"] for one in kept.files] == ["ceph.tar.gz"]
    world.hosts["mon"].notes["ceph-retired"] = {"monitor": "mon1", "managers": []}
    store_of = tmp_path / "retired/mon-mon1/store.db"
    store_of.parent.mkdir(parents=True)
    store_of.write_text("an old monitor's")
    monkeypatch.setattr(take, "ASIDE", str(tmp_path / "retired"))
    take.cluster(world.context, kept)
    assert "channel" in world.hosts["new"].asked
    assert "/etc/ceph" in collect.folders(())
    with tarfile.open(tmp_path / "kept/one/ceph-retired/mon.tar.gz") as archive:
        stream = archive.extractfile(str(store_of).lstrip("/"))
        assert stream
        assert stream.read() == b"an old monitor's"


def test_what_is_not_told_is_no_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    answer(world, tmp_path, monkeypatch, fails="auth export")
    kept = Writer(store.at((tmp_path / "kept").as_uri()), "one", "")
    with pytest.raises(CommandError, match="no quorum"):
        take.cluster(world.context, kept)
    assert kept.files == []
