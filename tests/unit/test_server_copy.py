"""A whole server in place of another: killed at each instant, and when that is not done at all."""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import transfer
from migrate.database.replication.server_copy import FILES, Server, _against, _apart
from migrate.onhost import record, serve, server_copy, server_swap, systemd

OLD = {"ibdata1": "old", "nova/one.ibd": "old", "binlog.000001": "old", "lost+found/x": "fs"}
NEW = {"ibdata1": "new", "nova/one.ibd": "new", "nova/two.ibd": "new", "lost+found/x": "fs"}
SERVER = Server(
    version="11.8.6-MariaDB-log",
    machine="x86_64",
    tool="11.8.6",
    unpacks=True,
    cluster=False,
    databases=frozenset({"nova"}),
    files=tuple("16384" for _ in FILES),
)


class Killed(BaseException):
    """The process is no more."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder; of the host's programs none does anything."""
    data = tmp_path / "data"
    for module in (server_swap, systemd):
        monkeypatch.setattr(module, "run", lambda *_, **__: "")
    monkeypatch.setattr(systemd, "UNITS", str(tmp_path))
    monkeypatch.setattr(server_swap, "answers", lambda *_: True)
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    filled(data, OLD)
    return data


def filled(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def held(folder: Path) -> dict[str, str]:
    """All files there, by their paths within it."""
    every = (one for one in folder.rglob("*") if one.is_file())
    return {str(one.relative_to(folder)): one.read_text() for one in every}


def received(folder: Path) -> None:
    """As `receive` leaves it."""
    record.save(server_swap.RECORD, {"folder": str(folder), "phase": server_swap.MAKING})
    filled(folder / server_swap.INSIDE / "data", {n: t for n, t in NEW.items() if "+" not in n})


@contextmanager
def killed(at: int) -> Iterator[list[bool]]:
    """Dead from the *at*-th change on: whatever would tidy up does nothing either."""
    count, dead = itertools.count(), [False]

    def dying(act: Callable[..., Any]) -> Callable[..., Any]:
        def tried(*arguments: Any, **named: Any) -> Any:
            if dead[0] or next(count) == at:
                dead[0] = True
                raise Killed
            return act(*arguments, **named)

        return tried

    with pytest.MonkeyPatch.context() as patch:
        for name in ("rename", "unlink", "rmdir", "mkdir"):
            patch.setattr(os, name, dying(getattr(os, name)))
        patch.setattr(server_swap, "run", dying(lambda *_, **__: ""))
        yield dead


def dies(at: int, act: Callable[[], object]) -> bool:
    """Whether *act* was killed at its *at*-th change; False where it had fewer."""
    with killed(at) as dead, suppress(Killed):
        act()
    return dead[0]


def empty_of_ours(folder: Path) -> None:
    assert not (folder / server_swap.INSIDE).exists()
    assert record.load(server_swap.RECORD) is None


def test_killed_at_any_instant_of_the_swap_the_old_one_comes_back(folder: Path) -> None:
    for at in itertools.count():
        received(folder)
        again = dies(at, server_swap.swap)
        server_swap.put_back()
        assert held(folder) == OLD, at
        empty_of_ours(folder)
        if not again:
            break
    assert at > 10


def test_so_it_is_where_what_puts_it_back_is_killed_too(folder: Path) -> None:
    for at in itertools.count():
        received(folder)
        server_swap.swap()
        again = dies(at, server_swap.put_back)
        server_swap.put_back()
        assert held(folder) == OLD, at
        empty_of_ours(folder)
        if not again:
            break
    assert at > 10


def test_kept_it_stays_whoever_is_killed(folder: Path) -> None:
    for at in itertools.count():
        received(folder)
        server_swap.swap()
        again = dies(at, server_swap.keep)
        kept = (record.load(server_swap.RECORD) or {}).get("phase")
        server_swap.put_back()
        assert held(folder) == (OLD if kept == server_swap.IN else NEW), at
        empty_of_ours(folder)
        if not again:
            break
        for one in held(folder):
            (folder / one).unlink()
        filled(folder, OLD)


def test_a_server_that_does_not_start_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def starts(answers: object, gone: object) -> None:
        tried.append(held(folder)["ibdata1"])
        if tried == ["new"]:
            raise RuntimeError("the server did not start")

    monkeypatch.setattr(server_swap, "wait", starts)
    received(folder)
    with pytest.raises(RuntimeError, match="did not start"):
        server_swap.swap()
    assert tried == ["new", "old"]
    assert held(folder) == OLD
    empty_of_ours(folder)


@pytest.mark.parametrize("phase", [server_swap.MAKING, server_swap.ASIDE, server_swap.IN])
def test_what_fills_the_disk_goes_before_anything_needs_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """Neither the server nor a note has room while the copy is there."""
    received(folder)
    copy = folder / server_swap.INSIDE / "data"
    (copy.parent / "before").mkdir()
    if phase == server_swap.IN:
        server_swap._move(str(folder), str(copy.parent / "before"), str(copy.parent))
    record.save(server_swap.RECORD, {"folder": str(folder), "phase": phase})

    def needs_room(*_: object) -> None:
        if copy.exists():
            raise OSError(errno.ENOSPC, "no space left")

    kept = record.save

    def saves(name: str, value: dict[str, Any]) -> None:
        needs_room()
        kept(name, value)

    monkeypatch.setattr(record, "save", saves)
    monkeypatch.setattr(server_swap, "wait", needs_room)
    server_swap.put_back()
    assert held(folder) == OLD
    empty_of_ours(folder)


def test_of_what_did_not_come_whole_nothing_stays(folder: Path) -> None:
    cut = ["sh", "-c", "echo cut short >&2; exit 3"]
    found = server_copy.receive({"tool": cut, "backup": cut}, str(folder), upgrade=False)
    assert found["wrong"].startswith("tool: ssh 3")
    assert "cut short" in found["wrong"]
    assert held(folder) == OLD
    empty_of_ours(folder)


def test_where_there_is_nothing_nothing_is_done(folder: Path) -> None:
    assert not server_swap.put_back()
    assert held(folder) == OLD


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ({}, {}, ""),
        ({"version": "10.11.14-MariaDB", "tool": "10.11.14"}, {}, ""),
        ({"tool": ""}, {}, "the source's database host has no mariadb-backup"),
        ({"tool": "11.8.5"}, {}, "the source's mariadb-backup is of 11.8.5, its server is not"),
        ({"tool": "11.8"}, {}, "the source's mariadb-backup is of 11.8, its server is not"),
        ({}, {"unpacks": False}, "the target has no mbstream, which comes with mariadb-backup"),
        (
            {"version": "12.1.2-MariaDB", "tool": "12.1.2"},
            {},
            "the source's MariaDB is newer than the target's",
        ),
        ({"machine": "aarch64"}, {}, "the source is aarch64, the target x86_64"),
        ({"cluster": True}, {}, "a server is a node of a Galera cluster"),
        (
            {"files": ("4096", *SERVER.files[1:])},
            {},
            "innodb_page_size is '4096' on the source and '16384' on the target",
        ),
        ({"holds": ("plugins",)}, {}, "the source's server has plugins"),
        (
            {"databases": frozenset({"nova", "billing"})},
            {},
            "the source's server holds more than moves: billing",
        ),
        (
            {},
            {"databases": frozenset({"nova", "migrate_marker"})},
            "the target's server holds migrate_marker",
        ),
    ],
)
def test_when_it_is_not_done(source: dict[str, Any], target: dict[str, Any], said: str) -> None:
    found = _against(replace(SERVER, **source), replace(SERVER, **target), {"nova"}, {"nova"})
    assert next(found, "") == said


DATA = {
    "datadir": "/var/lib/mysql/",
    "innodb_data_home_dir": "",
    "innodb_log_group_home_dir": "./",
    "innodb_undo_directory": "./",
    "aria_log_dir_path": "/var/lib/mysql/",
    "tmpdir": "/tmp",
    "log_bin_basename": "/var/lib/mysql/binlog",
    "relay_log_basename": "",
}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("tmpdir", "/tmp", False),
        ("log_bin_basename", "/var/log/mysql/binlog", False),
        ("innodb_log_group_home_dir", "/var/lib/mysql", False),
        ("innodb_log_group_home_dir", "/srv/redo", True),
        ("innodb_undo_directory", "./undo", True),
        ("aria_log_dir_path", "/srv/aria/", True),
        ("tmpdir", "/var/lib/mysql/tmp", True),
        ("log_bin_basename", "/var/lib/mysql/logs/binlog", True),
    ],
)
def test_a_folder_that_does_not_go_with_the_data(name: str, value: str, told: bool) -> None:
    """Or that goes with them, and is missed by the server as it starts."""
    assert _apart({**DATA, name: value}) == ([f"{name} in a folder of its own"] if told else [])


BACKUP = """#!{python}
import sys
sys.stdout.write("the stream of " + " ".join(sys.argv[1:]))
sys.stderr.write("[00] 2026-11-29 12:00:00 {said}\\n")
sys.exit({status})
"""


@pytest.mark.parametrize(
    ("said", "status", "served"), [("completed OK!", 0, 0), ("completed OK!", 1, 2), ("cut", 0, 2)]
)
def test_a_backup_is_served_whole_or_not(
    tmp_path: Path, said: str, status: int, served: int
) -> None:
    program = tmp_path / serve.TOOL
    program.write_text(BACKUP.format(python=sys.executable, said=said, status=status))
    program.chmod(0o755)
    (tmp_path / "serve").write_text(transfer.SERVE_PROGRAM)
    allowed = {**transfer.NOTHING, "backups": ["/run/one"]}
    (tmp_path / "allowed.json").write_text(json.dumps(allowed))

    def asked(words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(tmp_path / "serve"), words],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    done = asked("backup /run/one")
    assert done.returncode == served
    assert "--stream=mbstream --user=root --socket=/run/one" in done.stdout
    assert (said in done.stderr) == bool(served)
    assert asked("backup /run/other").returncode == 2


ENDLESS = """#!{python}
import os, sys
sys.stderr.write("completed OK!")
open("{pid}", "w").write(str(os.getpid()))
while True:
    sys.stdout.write("x" * 65536)
"""


def test_a_backup_that_nobody_takes_is_ended(tmp_path: Path) -> None:
    """The server's commits wait at its end, and who pulls it may be dead without a word."""
    program, pid = tmp_path / serve.TOOL, tmp_path / "pid"
    program.write_text(ENDLESS.format(python=sys.executable, pid=pid))
    program.chmod(0o755)
    short = transfer.SERVE_PROGRAM.replace("STILL = 30", "STILL = 1")
    (tmp_path / "serve").write_text(short)
    (tmp_path / "allowed.json").write_text(json.dumps({"backups": ["/run/one"]}))
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "serve"), "backup /run/one"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as serving:
        try:
            assert serving.wait(30) == 2
        finally:
            serving.kill()
        assert serving.stderr is not None
        assert b"nobody took any of it for 1 seconds" in serving.stderr.read()
    assert not Path(f"/proc/{pid.read_text()}").exists()
