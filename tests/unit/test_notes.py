"""What a host needs to undo an act is whole and on its disk before the act, also on a full disk."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migrate.onhost import (
    baseline,
    certificates,
    disk,
    fencing,
    files,
    keys,
    record,
    transfer,
    undo,
)

# as on a disk that fills up: a write beyond so many bytes ends half-way, then fails
FULL = """
import resource, signal, sys
from migrate.onhost import files, keys, record, transfer, undo
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
record.FOLDER = sys.argv[1]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    return tmp_path


def full(folder: Path, act: str) -> bool:
    """Whether *act* goes well on a disk that fills up; the notes are in *folder*."""
    argv = [sys.executable, "-c", f"{FULL}\n{act}", str(folder / "notes")]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


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
        undo.note_file("some", str(path))
        path.unlink(missing_ok=True)
        path.write_text("ours")
    assert undo.undo("some")
    assert standing(path) == before
    assert not undo.undo("some")
    assert not (folder / "notes").exists()


def test_a_full_disk_leaves_no_half_a_note(folder: Path) -> None:
    path = folder / "some.cfg"
    path.write_text("x" * 1000)
    assert not full(folder, f"undo.note_file('some', {str(path)!r})")
    assert not any((folder / "notes").iterdir())
    assert not undo.undo("some")  # nothing was begun, nothing is to be undone
    assert path.read_text() == "x" * 1000
    undo.note_file("some", str(path))
    path.write_text("ours")
    assert undo.undo("some")
    assert path.read_text() == "x" * 1000


@pytest.mark.parametrize("kept", ["", "{", '{"version": 1, "entries": [{"ki', "\xff"])
def test_half_a_note_does_not_block_the_way_back(folder: Path, kept: str) -> None:
    (folder / "notes").mkdir()
    (folder / "notes" / "some.json").write_bytes(kept.encode("latin-1"))
    (folder / "notes" / ".some.json.migrate-new").write_text("{")  # of a writer that was killed
    assert record.load("some") is None
    assert not undo.undo("some")
    assert not (folder / "notes").exists()


def test_what_cannot_be_undone_is_named_and_the_rest_is_undone(folder: Path) -> None:
    there = [folder / "a", folder / "b", folder / "c"]
    for path in there:
        path.write_text("theirs")
    undo.note("some", [undo.file(str(path)) for path in there])
    for path in there:
        path.write_text("ours")
    (folder / "b").unlink()
    (folder / "b").mkdir()
    with pytest.raises(RuntimeError, match=r"/b: Is a directory\. Mend that, then the same again"):
        undo.undo("some")
    assert [path.read_text() for path in (there[0], there[2])] == ["theirs"] * 2
    (folder / "b").rmdir()
    assert undo.undo("some")
    assert there[1].read_text() == "theirs"


@pytest.mark.parametrize(("kept", "told"), [("{}", "0"), ('{"version": 7, "entries": []}', "7")])
def test_a_note_of_another_program_is_refused_and_stays(folder: Path, kept: str, told: str) -> None:
    (folder / "notes").mkdir()
    note = folder / "notes" / "some.json"
    note.write_text(kept)
    for act in (undo.undo, record.load, lambda name: undo.note_file(name, "/etc/hosts")):
        with pytest.raises(RuntimeError, match=rf"some.json is of version {told} .*go back"):
            act("some")
    assert note.read_text() == kept


@pytest.mark.usefixtures("folder")
def test_a_fingerprint_names_what_was_fenced_when_it_was_taken() -> None:
    assert baseline.name("some") == ""
    record.save(fencing.RECORD, {"token": "first"})
    baseline.keep("all", {"fingerprint": {}}, "some", "d1")
    assert record.load("all") == {"fingerprint": {}}
    for token, named in (("first", "d1"), ("second", "")):
        record.save(fencing.RECORD, {"token": token})
        assert baseline.name("some") == named


def test_settings_of_the_kernel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "SETTINGS", str(folder))
    (folder / "net").mkdir()
    for name in ("one", "two"):
        (folder / "net" / name).write_text("0\n")
    for _ in range(2):
        undo.note_settings("kernel", ["net.one", "net.two"])
        (folder / "net/one").write_text("1\n")
    (folder / "net/two").unlink()  # its interface is gone
    assert undo.undo("kernel")
    assert (folder / "net/one").read_text() == "0"
    assert not (folder / "net/two").exists()
    assert not undo.undo("kernel")


def test_configuration_is_as_it_was_after_a_full_disk(folder: Path) -> None:
    path = folder / "nova.conf"
    path.write_text("x" * 1000)
    owner = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
    rows = [[str(path), "short", 0o640, owner]]
    assert not full(folder, f"files.write('nova', {rows!r})")
    assert not undo.undo("nova")
    assert path.read_text() == "x" * 1000
    files.write("nova", rows)
    assert path.read_text() == "short"
    assert undo.undo("nova")
    assert path.read_text() == "x" * 1000


@pytest.mark.parametrize("content", [b"a\r\nb\r\n", b"a\rb\n", b"\r", b"caf\xe9\r\n", b"a\nb"])
def test_the_ends_of_lines_are_carried(folder: Path, content: bytes) -> None:
    there, here = folder / "there.conf", folder / "here.conf"
    there.write_bytes(content)
    owner = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
    rows = [[str(here), files.read([str(there)], True)[str(there)], 0o640, owner]]
    files.write("nova", rows)
    assert here.read_bytes() == content
    assert files.in_place(rows)
    here.write_bytes(content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + b"\n")
    assert not files.in_place(rows)


def test_keys_are_as_they_were_after_a_full_disk(folder: Path) -> None:
    place = folder / "keys"
    place.mkdir()
    (place / "0").write_text("x" * 1000)
    user = pwd.getpwuid(os.getuid()).pw_name
    assert not full(folder, f"keys.write('keystone', {user!r}, [{str(place)!r}], [])")
    assert not undo.undo("keystone")
    assert (place / "0").read_text() == "x" * 1000
    keys.write("keystone", user, [str(place)], [])
    assert list(place.iterdir()) == []
    assert undo.undo("keystone")
    assert (place / "0").read_text() == "x" * 1000


@pytest.mark.parametrize("leads", [True, False])
def test_keys_in_a_folder_that_is_a_link(folder: Path, leads: bool) -> None:
    """The link gives way; what it leads to, which others may read, is not touched."""
    place, shared = folder / "keys", folder / "shared"
    place.symlink_to("shared")
    if leads:
        shared.mkdir()
        (shared / "0").write_text("theirs")
    user = pwd.getpwuid(os.getuid()).pw_name
    carried = [[str(place / "1"), "b3Vycw==", 0o600]]
    for _ in range(2):
        keys.write("keystone", user, [str(place)], carried)
        assert keys.in_place(user, [str(place)], carried)
        assert shared.exists() == leads
    assert undo.undo("keystone")
    assert place.readlink() == Path("shared")
    assert [path.read_text() for path in place.glob("*")] == ["theirs"] * leads


@pytest.mark.parametrize("leads", [True, False])
def test_certificates_in_a_folder_that_is_a_link(folder: Path, leads: bool) -> None:
    (folder / "certs").symlink_to("private/certs")
    if leads:
        (folder / "private/certs").mkdir(parents=True)
    carried = {str(folder / "certs/a.pem"): "b3Vycw=="}
    certificates.put(carried)
    assert certificates.same(carried)
    assert (folder / "private/certs/a.pem").read_text() == "ours"
    certificates.give_back()
    assert (folder / "certs").readlink() == Path("private/certs")
    assert (folder / "private").exists() == leads
    assert not (folder / "certs/a.pem").exists()


@pytest.mark.parametrize("before", [None, "", "ssh-ed25519 AAAA admin\n", "ssh-rsa BBBB no-end"])
def test_keys_of_ssh_are_let_in_and_taken_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    path = folder / "home" / ".ssh" / "keys"
    if before is not None:
        path.parent.mkdir(parents=True)
        path.write_text(before)
        path.chmod(0o640)
    monkeypatch.setattr(transfer, "authorized_keys", lambda user: str(path))
    user = pwd.getpwuid(os.getuid()).pw_name
    for key in ("old", "new"):
        transfer.admit("key", user, {"mark-a": f"restrict {key}", "mark-a-b": "restrict other"})
    text = path.read_text()
    assert text.endswith("restrict new mark-a\nrestrict other mark-a-b\n")
    assert "old" not in text
    assert (before or "").strip() in text
    assert path.stat().st_mode & 0o777 == (0o600 if before is None else 0o640)
    path.write_text(text + "ssh-ed25519 CCCC later\n")
    undo.undo("key")
    assert path.read_text() == "".join(
        f"{line}\n" for line in [*(before or "").split("\n"), "ssh-ed25519 CCCC later"] if line
    )


def test_a_file_of_keys_that_was_made_goes_with_its_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "home" / ".ssh" / "keys"
    monkeypatch.setattr(transfer, "authorized_keys", lambda user: str(path))
    transfer.admit("key", pwd.getpwuid(os.getuid()).pw_name, {"mark": "restrict"})
    undo.undo("key")
    assert not (folder / "home").exists()


def test_who_may_read_a_file_is_the_same_after_it_was_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "ceph.conf"
    path.write_text("[global]\n")
    path.chmod(0o640)
    disk.rewrite(str(path), "[global]\nmon host = a,b\n")
    assert path.read_text() == "[global]\nmon host = a,b\n"
    assert path.stat().st_mode & 0o777 == 0o640
