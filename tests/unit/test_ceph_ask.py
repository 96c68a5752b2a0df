"""A question to a cluster one of whose monitors has just fallen silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.onhost import ceph

SILENT_ONCE = """#!/bin/sh
echo "$*" >> {log}
test "$(wc -l < {log})" -gt {times} || exec sleep 60
echo '{{"epoch": 7}}'
"""


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `ceph` was asked; without an answer as often as the file `times` says."""
    monkeypatch.setattr(ceph, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(ceph, "ANSWER_SECONDS", 0.5)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def answers_after(folder: Path, times: int) -> Path:
    log, program = folder / "log", folder / "ceph"
    program.write_text(SILENT_ONCE.format(log=log, times=times))
    program.chmod(0o755)
    return log


def test_who_got_no_answer_asks_anew(silent: Path) -> None:
    log = answers_after(silent, 1)
    assert ceph.ask("mgr", "dump") == {"epoch": 7}
    assert log.read_text().splitlines() == ["--connect-timeout 15 -f json mgr dump"] * 2


def test_what_changes_the_cluster_is_said_once(silent: Path) -> None:
    log = answers_after(silent, 9)
    with pytest.raises(RuntimeError, match=r"ceph mgr fail a gave no answer in 0.5 s"):
        ceph.run("mgr", "fail", "a", seconds=0.5)
    assert len(log.read_text().splitlines()) == 1
