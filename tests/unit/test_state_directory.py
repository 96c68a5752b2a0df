"""A file is whole or what it was before, and nobody else reads it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.checks import migrations
from migrate.engine import state_directory, state_lock
from migrate.errors import JournalError
from migrate.phases import control, rollback, status, verify
from migrate.verify import noticed, views
from tests.unit import fakes


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
    with pytest.raises(
        JournalError, match=rf"^{paper} cannot be written: No space left .*has room"
    ):
        state_directory.keep(paper, "new")
    assert paper.read_text() == "old"


def test_what_cannot_be_removed_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "pause").mkdir()
    with pytest.raises(JournalError, match=r"pause cannot be written: .*; see that"):
        control.withdraw(tmp_path, control.PAUSE)
    assert not state_directory.forget(tmp_path / "abort")


def test_what_is_recorded_is_read_again_without_its_format(tmp_path: Path) -> None:
    paper = state_directory.record(tmp_path / "paper", {"nova": "é"})
    assert f'"format": {state_directory.FORMAT}' in paper.read_text()
    assert state_directory.recorded(paper) == {"nova": "é"}
    assert state_directory.recorded(tmp_path / "nothing") == {}


def with_a_listing(context: Any) -> Any:
    state_directory.record(views.admin_path(context), {})
    return views.kept(context)


READERS: dict[str, Callable[[Any], Any]] = {
    "listing-before.json": views.kept,
    "users-before.json": with_a_listing,
    "tokens-before.json": views.kept_tokens,
    rollback.FILE: lambda context: rollback.kept(context, 60),
    "lock": lambda context: state_lock.name(context.home),
}


@pytest.mark.parametrize("text", ['{"x": 1}', '{"format": 99, "x": 1}'], ids=["older", "newer"])
@pytest.mark.parametrize("name", READERS)
def test_a_paper_of_another_program_is_refused(tmp_path: Path, name: str, text: str) -> None:
    context, _ = fakes.context(tmp_path)
    (tmp_path / name).write_text(text)
    age, number = ("an older", 0) if "99" not in text else ("a newer", 99)
    with pytest.raises(JournalError, match=rf"{name} was written by {age} .*format {number}, this"):
        READERS[name](context)
    assert (tmp_path / name).read_text() == text


def test_a_lock_of_another_program_is_neither_taken_nor_written_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"papers": "theirs"}')
    with (
        pytest.raises(JournalError, match=r"written by an older migrate \(format 0"),
        state_lock.held(tmp_path, "follow"),
    ):
        pytest.fail("it was taken")
    assert (tmp_path / "lock").read_text() == '{"papers": "theirs"}'


@pytest.mark.parametrize("text", ["", "{", "[]", '{"who": "ann", "at": "now", "reason": ""}'])
def test_what_hinders_nobody_counts_as_not_there(tmp_path: Path, text: str) -> None:
    """A record that is made again, and a request, which holds whoever wrote it."""
    context, _ = fakes.context(tmp_path)
    for name in (noticed.FILE, migrations.RECORD, verify.FILE, control.PAUSE):
        (tmp_path / name).write_text(text)
    assert noticed.kept(tmp_path) == {}
    assert migrations._recorded(context) == {}
    assert status._verified(SimpleNamespace(home=tmp_path)) == ""  # type: ignore[arg-type]
    assert control.asked(tmp_path, control.PAUSE) == "somebody"


def test_a_paper_that_is_broken_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "paper").write_text('{"format": 1, "x')
    with pytest.raises(JournalError, match=r"cannot be read .*; move it away"):
        state_directory.recorded(tmp_path / "paper")
