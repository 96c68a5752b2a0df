"""What a host needs to undo an act is whole and on its disk before the act, also on a full disk."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migrate.configuration import files, keys
from migrate.onhost import kernel, record, source

# as on a disk that fills up: a write beyond so many bytes ends half-way, then fails
FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    return tmp_path


def run(program: str, payload: Any, *, full: bool = False) -> bool:
    """Whether *program* went well, as `Host.python` runs it."""
    script = f"import json\npayload = json.loads({json.dumps(payload)!r})\n"
    script += f"{FULL if full else ''}\nexec(compile({program!r}, 'program', 'exec'))\n"
    return (
        subprocess.run([sys.executable, "-"], input=script, text=True, check=False).returncode == 0
    )


def standing(path: Path) -> Any:
    if path.is_symlink():
        return path.readlink()
    if not path.exists():
        return None
    about = path.stat()
    return path.read_bytes(), about.st_mode, about.st_uid, about.st_gid


@pytest.mark.parametrize("kind", ["file", "empty", "link", "dangling", "absent"])
def test_what_was_there_comes_back(folder: Path, kind: str) -> None:
    path = folder / "some.cfg"
    if kind in ("file", "empty"):
        path.write_bytes(b"" if kind == "empty" else b"caf\xe9 \x00\n")
        path.chmod(0o604)
    elif kind in ("link", "dangling"):
        (folder / "other.cfg").write_text("x" if kind == "link" else "")
        path.symlink_to("other.cfg" if kind == "link" else "nowhere")
    before = standing(path)
    for _ in range(2):  # the second must not take ours for the old one
        record.set_aside("some", str(path))
        path.unlink(missing_ok=True)
        path.write_text("ours")
    assert record.put_back("some")
    assert standing(path) == before
    assert not record.put_back("some")
    assert not (folder / "notes").exists()


def test_a_full_disk_leaves_no_half_a_note(folder: Path) -> None:
    path = folder / "some.cfg"
    path.write_text("x" * 1000)
    program = f"{source('record')}\nFOLDER = payload[0]\nset_aside('some', payload[1])\n"
    assert not run(program, [str(folder / "notes"), str(path)], full=True)
    assert not record.put_back("some")  # nothing was begun, nothing is to be undone
    assert path.read_text() == "x" * 1000
    assert run(program, [str(folder / "notes"), str(path)])
    path.write_text("ours")
    assert record.put_back("some")
    assert path.read_text() == "x" * 1000


def test_settings_of_the_kernel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "FOLDER", str(folder))
    (folder / "net").mkdir()
    for name in ("one", "two"):
        (folder / "net" / name).write_text("0\n")
    for _ in range(2):
        kernel.note(["net.one", "net.two"])
        (folder / "net/one").write_text("1\n")
    kernel.put_back()
    assert (folder / "net/one").read_text() == "0"
    kernel.put_back()


def test_configuration_is_as_it_was_after_a_full_disk(folder: Path) -> None:
    path, notes = folder / "nova.conf", str(folder / "notes" / "configuration" / "nova")
    path.write_text("x" * 1000)
    owner = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
    program = files.WRITE
    payload = [notes, [[str(path), "short", 0o640, owner]]]
    assert not run(program, payload, full=True)
    assert run(files.RESTORE, notes)
    assert path.read_text() == "x" * 1000
    assert run(program, payload)
    assert path.read_text() == "short"
    assert run(files.RESTORE, notes)
    assert path.read_text() == "x" * 1000


def test_keys_are_as_they_were_after_a_full_disk(folder: Path) -> None:
    place, notes = folder / "keys", str(folder / "notes" / "keys" / "keystone")
    place.mkdir()
    (place / "0").write_text("x" * 1000)
    user = pwd.getpwuid(os.getuid()).pw_name
    program, payload = keys.WRITE, [notes, user, [str(place)], []]
    assert not run(program, payload, full=True)
    assert run(keys.REVERT, [notes, user, [str(place)]])
    assert (place / "0").read_text() == "x" * 1000
    assert run(program, payload)
    assert list(place.iterdir()) == []
    assert run(keys.REVERT, [notes, user, [str(place)]])
    assert (place / "0").read_text() == "x" * 1000
