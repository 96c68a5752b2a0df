"""A clock that somebody sets moves no deadline of the watch, in neither direction."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from migrate.onhost import clock, record, reopen_timer


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "FOLDER", str(tmp_path))
    monkeypatch.setattr("migrate.onhost.systemd.members", lambda _: {})


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_stepped_clock(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    kept = {"deadline": time.time() + 60, "state": "armed", "clock": clock.begun()}
    record.save(reopen_timer.RECORD, kept)
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + step)
    assert 55 < reopen_timer.state()["left"] <= 60
    assert reopen_timer.extend(100) == "armed"
    assert 95 < reopen_timer.state()["left"] <= 100


def test_after_a_boot_the_clock_counts() -> None:
    kept = {"boot": "another", "ahead": 0.0}
    assert abs(clock.now(kept) - time.time()) < 1
    assert abs(clock.now({}) - time.time()) < 1
