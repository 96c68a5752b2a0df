"""A paper is whole or what it was before, and nobody else reads it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migrate.engine import state_directory


def test_whatever_stood_there_and_whoever_asks_it_is_the_operators_alone(tmp_path: Path) -> None:
    paper = tmp_path / "report.json"
    paper.write_text("old")
    paper.chmod(0o644)
    umask = os.umask(0)
    try:
        assert state_directory.keep(paper, "new") == paper
    finally:
        os.umask(umask)
    assert (paper.read_text(), paper.stat().st_mode & 0o777) == ("new", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_what_a_crash_left_half_written_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "report.json.part").write_text("hal")
    state_directory.keep(tmp_path / "report.json", "whole")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["whole"]


def test_what_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = state_directory.keep(tmp_path / "report.json", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        state_directory.keep(paper, "new")
    assert paper.read_text() == "old"
