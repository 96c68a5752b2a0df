"""What is written is recorded first and goes without a trace: the hosts' programs, run here."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest

from migrate.configuration import files, keys

ME = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"


def run(program: str, payload: Any) -> Any:
    """As `Host.python` does it."""
    within: dict[str, Any] = {"payload": payload, "result": None}
    umask = os.umask(0o022)
    try:
        exec(program, within)  # the program of a host
    finally:
        os.umask(umask)
    return within["result"]


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
def record(tmp_path: Path) -> str:
    return str(tmp_path / "lib" / "migrate" / "configuration" / "nova")


def rows(etc: Path, **texts: str) -> list[list[Any]]:
    return [[str(etc / name.replace("__", "/")), text, 0o640, ME] for name, text in texts.items()]


def test_written_whole_and_taken_back_whole(etc: Path, record: str, tmp_path: Path) -> None:
    before = tree(tmp_path)
    wanted = rows(etc, **{"nova/there.conf": "a", "nova/new.conf": "b", "deep/er/x.ini": "é\udcff"})
    for _ in range(2):  # a second time must not take ours for what was there
        run(files.WRITE, [record, wanted])
        assert len(run(files.STATE, wanted)) == len(wanted)
    assert (etc / "deep/er/x.ini").read_bytes() == "é".encode() + b"\xff"
    assert Path(record).stat().st_mode & 0o777 == 0o700
    for _ in range(2):
        run(files.RESTORE, record)
    (tmp_path / "lib").rmdir()
    assert tree(tmp_path) == before


def test_a_file_that_is_not_wanted_any_more_goes(etc: Path, record: str) -> None:
    run(files.WRITE, [record, rows(etc, **{"nova/there.conf": "a", "nova/new.conf": "b"})])
    run(files.WRITE, [record, rows(etc, **{"nova/other.conf": "c"})])
    assert (etc / "nova/there.conf").read_text() == "of the package\n"
    assert sorted(path.name for path in (etc / "nova").iterdir()) == ["other.conf", "there.conf"]


def test_taken_back_after_it_died_between_record_and_file(
    etc: Path, record: str, tmp_path: Path
) -> None:
    before = tree(etc)
    died = files.WRITE.replace("os.rename(staged, path)", "raise KeyboardInterrupt")
    for name in ("nova/there.conf", "deep/x.conf"):
        with pytest.raises(KeyboardInterrupt):
            run(died, [record, rows(etc, **{name: "a"})])
    run(files.RESTORE, record)
    assert tree(etc) == before


def test_keys_replace_whole_folders_and_come_back(tmp_path: Path) -> None:
    folder, record = tmp_path / "fernet-keys", str(tmp_path / "record" / "x" / "keystone")
    source = tmp_path / "source"
    for place, names in ((folder, ("7",)), (source, ("0", "1"))):
        place.mkdir(mode=0o700)
        for name in names:
            (place / name).write_text(f"key {name}")
            (place / name).chmod(0o600)
    before = tree(folder)
    found = run(keys.READ, [str(source)])
    there = [[path.replace(str(source), str(folder)), text, mode] for path, text, mode in found]
    user = ME.partition(":")[0]
    assert not run(keys.STATE, [user, [str(folder)], there])
    for _ in range(2):
        run(keys.WRITE, [record, user, [str(folder)], there])
    assert run(keys.STATE, [user, [str(folder)], there])
    assert tree(folder) == tree(source)
    (folder / "2").write_text("one more")
    assert not run(keys.STATE, [user, [str(folder)], there])
    for _ in range(2):
        run(keys.REVERT, [record, user, [str(folder)]])
    assert tree(folder) == before
    assert not Path(record).exists()
    shutil.rmtree(source)
