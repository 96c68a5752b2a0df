"""Files of an image store, hashed and remembered: real files, real changes."""

import hashlib
import json
import os
import pwd
import time
from pathlib import Path

import pytest

from migrate.onhost import hashes, record

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).write_bytes(CONTENT + name.encode())
    return folder


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the record of these tests is."""
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "migrate"))
    return tmp_path / "migrate" / "images.json"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once: a test need not wait two seconds."""
    monkeypatch.setattr(hashes, "SETTLED", -(10**9))


def wanted(store: Path) -> list[tuple[str, str]]:
    return [(str(path), "sha512") for path in sorted(store.iterdir())]


def put_back_times(path: Path, about: os.stat_result) -> None:
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_size_and_hash(store: Path, kept: Path) -> None:
    found = hashes.examine([*wanted(store), (str(store / "none"), "md5")], True)
    content = CONTENT + b"one"
    assert found[str(store / "one")] == [len(content), hashlib.sha512(content).hexdigest()]
    assert len(found) == 2


def test_the_record_is_for_root_alone(store: Path, kept: Path) -> None:
    hashes.examine(wanted(store), True)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_is_not_read_again(
    store: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hashes.examine(wanted(store), True)
    read: list[str] = []

    def again(path: str, algorithm: str) -> str:
        read.append(path)
        return f"another {algorithm}"

    monkeypatch.setattr(hashes, "digest", again)
    assert hashes.examine(wanted(store), True) == first
    assert read == []
    assert hashes.examine(wanted(store), True, fresh=True) != first
    assert sorted(read) == [path for path, _ in wanted(store)]


@pytest.mark.usefixtures("settled")
def test_a_flipped_bit_is_seen_though_size_and_mtime_are_kept(store: Path, kept: Path) -> None:
    first = hashes.examine(wanted(store), True)
    path = store / "one"
    about = path.stat()
    time.sleep(0.02)  # ctime moves by the kernel's tick
    with path.open("r+b") as stream:
        stream.seek(777)
        byte = stream.read(1)[0]
        stream.seek(777)
        stream.write(bytes([byte ^ 1]))
    put_back_times(path, about)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (about.st_size, about.st_mtime_ns)
    second = hashes.examine(wanted(store), True)
    assert {name for name in first if first[name] != second[name]} == {str(path)}


@pytest.mark.usefixtures("settled")
def test_a_file_put_in_the_place_of_another_is_seen(store: Path, kept: Path) -> None:
    hashes.examine(wanted(store), True)
    path, other = store / "one", store / "other"
    other.write_bytes(b"x" * path.stat().st_size)
    put_back_times(other, path.stat())
    other.rename(path)
    found = hashes.examine(wanted(store), True)
    assert found[str(path)][1] == hashlib.sha512(path.read_bytes()).hexdigest()


def test_a_file_written_a_moment_ago_is_hashed_but_not_believed_later(
    store: Path, kept: Path
) -> None:
    hashes.examine(wanted(store), True)
    known = json.loads(kept.read_text())["hashed"]
    assert all(entry["identity"] == [] for entry in known.values())


@pytest.mark.usefixtures("settled")
def test_another_algorithm_is_another_hash(store: Path, kept: Path) -> None:
    hashes.examine(wanted(store), True)
    path = store / "one"
    found = hashes.examine([(str(path), "md5")], True)
    assert found[str(path)][1] == hashlib.md5(path.read_bytes()).hexdigest()


def test_claim_refuses_what_is_not_ours(store: Path, kept: Path) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    paths = [str(store / "one"), str(store / "new")]
    assert hashes.claim("first", me, paths) == [str(store / "one")]
    assert not kept.exists()


def test_discard_takes_away_what_the_step_added_and_nothing_else(store: Path, kept: Path) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    fresh, later = store.parent / "deep" / "er" / "new", store / "later"
    assert hashes.claim("first", me, [str(fresh)]) == []
    fresh.write_bytes(b"1")
    assert hashes.claim("second", me, [str(later), str(fresh)]) == []
    later.write_bytes(b"2")
    (store / ".incoming-sidestep-0").mkdir()
    hashes.discard("second", [])
    assert not later.exists()
    assert fresh.exists()
    assert not (store / ".incoming-sidestep-0").exists()
    hashes.discard("first", [])
    assert not (store.parent / "deep").exists()
    assert not kept.parent.exists()
    assert sorted(path.name for path in store.iterdir()) == ["one", "two"]
    hashes.discard("first", [])
