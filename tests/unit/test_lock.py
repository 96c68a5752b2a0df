"""One operator at a time, and what a crash leaves behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from migrate.engine import state_lock
from migrate.errors import JournalError, LockedError

HOLD = """
import sys, time
from pathlib import Path
from migrate.engine import state_lock
with state_lock.held(Path(sys.argv[1]), "cutover"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with state_lock.held(tmp_path, "cutover"):
        assert "for cutover" in state_lock.holder(tmp_path)
        with (
            pytest.raises(LockedError, match=r"pid \d+ since .* for cutover"),
            state_lock.held(tmp_path, "follow"),
        ):
            pass
    assert state_lock.holder(tmp_path) == ""


def test_a_folder_that_takes_no_lock_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with (
        pytest.raises(JournalError, match=r"lock cannot be opened: Is a directory; .*MIGRATE_HOME"),
        state_lock.held(tmp_path, "rollback"),
    ):
        pass


def test_a_full_disk_does_not_forbid_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with (
        state_lock.held(tmp_path, "rollback"),
        pytest.raises(LockedError),
        state_lock.held(tmp_path, "follow"),
    ):
        pass


def test_an_error_releases_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), state_lock.held(tmp_path, "cutover"):
        raise KeyError
    assert state_lock.holder(tmp_path) == ""


def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "held\n"
    assert str(run.pid) in state_lock.holder(tmp_path)
    run.kill()
    run.wait()
    run.stdout.close()
    assert state_lock.holder(tmp_path) == ""
    with state_lock.held(tmp_path, "follow"):
        pass
