"""What is written is recorded first and goes without a trace: the hosts' programs, run here."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest

from migrate.onhost import files, keys, record, undo

ME = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode & 0o777,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    (folder / "nova").mkdir(parents=True)
    (folder / "nova" / "there.conf").write_text("of the package\n")
    (folder / "nova" / "there.conf").chmod(0o604)
    return folder


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    return tmp_path / "notes"


def rows(etc: Path, **texts: str) -> list[list[Any]]:
    return [[str(etc / name.replace("__", "/")), text, 0o640, ME] for name, text in texts.items()]


def test_written_whole_and_taken_back_whole(etc: Path, notes: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    wanted = rows(etc, **{"nova/there.conf": "a", "nova/new.conf": "b", "deep/er/x.ini": "é\udcff"})
    for _ in range(2):  # a second time must not take ours for what was there
        files.write("nova", wanted)
        assert files.in_place(wanted)
    assert (etc / "deep/er/x.ini").read_bytes() == "é".encode() + b"\xff"
    assert notes.stat().st_mode & 0o777 == 0o700
    assert (notes / "nova.json").stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        undo.undo("nova")
    assert tree(tmp_path) == before


def test_a_file_that_is_not_wanted_any_more_goes(etc: Path, notes: Path) -> None:
    files.write("nova", rows(etc, **{"nova/there.conf": "a", "nova/new.conf": "b"}))
    files.write("nova", rows(etc, **{"nova/other.conf": "c"}))
    assert (etc / "nova/there.conf").read_text() == "of the package\n"
    assert sorted(path.name for path in (etc / "nova").iterdir()) == ["other.conf", "there.conf"]


def test_taken_back_after_it_died_between_record_and_file(
    etc: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(etc)
    rename = os.rename

    def dies(staged: str, path: str) -> None:
        if path.endswith(".conf"):
            raise KeyboardInterrupt
        rename(staged, path)

    monkeypatch.setattr(os, "rename", dies)
    for name in ("nova/there.conf", "deep/x.conf"):
        with pytest.raises(KeyboardInterrupt):
            files.write("nova", rows(etc, **{name: "a"}))
    monkeypatch.setattr(os, "rename", rename)
    undo.undo("nova")
    assert tree(etc) == before


def test_keys_replace_whole_folders_and_come_back(tmp_path: Path, notes: Path) -> None:
    folder, source = tmp_path / "fernet-keys", tmp_path / "source"
    for place, names in ((folder, ("7",)), (source, ("0", "1"))):
        place.mkdir(mode=0o700)
        for name in names:
            (place / name).write_text(f"key {name}")
            (place / name).chmod(0o600)
    before = tree(folder)
    found = keys.read([str(source)])
    there = [[path.replace(str(source), str(folder)), text, mode] for path, text, mode in found]
    user = ME.partition(":")[0]
    assert not keys.in_place(user, [str(folder)], there)
    for _ in range(2):
        keys.write("keystone", user, [str(folder)], there)
    assert keys.in_place(user, [str(folder)], there)
    assert tree(folder) == tree(source)
    (folder / "2").write_text("one more")
    assert not keys.in_place(user, [str(folder)], there)
    for _ in range(2):
        undo.undo("keystone")
    assert tree(folder) == before
    assert not notes.exists()
    shutil.rmtree(source)
