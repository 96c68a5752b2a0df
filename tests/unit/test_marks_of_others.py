"""A mark or record that another program wrote is refused, and never passed over or half read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.controller import record
from migrate.engine import markers
from migrate.errors import CommandError, PreconditionError
from migrate.onhost import look
from migrate.onhost import record as here
from tests.unit import fakes

MARK = {"stage": "copied", "stack": "s", "source": "0123", "fence": "f", "at": 1.0}
LATER = {**MARK, "version": 2, "stage": "released"}


class Marked(fakes.FakeHost):
    """Its file holds *text*; its database has marks, or says what is wrong."""

    text = ""
    rows = ""
    wrong = ""
    unread = ""

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        if self.unread:
            raise CommandError(self.name, "cat", 1, f"cat: {args[0]}: {self.unread}")
        return self.text

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        if argv[0] != "mariadb":
            return super().run(*argv, stdin=stdin, timeout=timeout)
        if "SHOW" in stdin:
            return "stage" if self.rows or self.wrong else ""
        if self.wrong:
            raise CommandError(self.name, "mariadb", 1, self.wrong)
        return self.rows

    def write(
        self, path: str, content: str, *, mode: int = 0o640, owner: str = "root:root"
    ) -> None:
        self.text = content

    def answer(self, function: str, payload: Any) -> Any:
        if function in ("fencing.machine", "fencing.token"):
            return {"fencing.machine": "0123", "fencing.token": "f"}[function]
        if function == "marks.keep":
            self.text = json.dumps(payload["arguments"][0])
        return super().answer(function, payload)


@pytest.fixture
def clouds(tmp_path: Path) -> tuple[Any, Any, Any]:
    context, hosts = fakes.context(tmp_path)
    for name in ("old", "new"):
        hosts[name].__class__ = Marked
    return context, hosts["old"], hosts["new"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps([LATER]), "version 2, this program's are 1"),
        (json.dumps([MARK, LATER]), "version 2"),
        (json.dumps([{**MARK, "stage": "elsewhere"}]), "unknown stage 'elsewhere'"),
        ("[{", "is no list of marks"),
        ("7", "is no list of marks"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_whatever_the_target_says(
    clouds: tuple[Any, Any, Any], text: str, told: str
) -> None:
    context, old, new = clouds
    new.rows = "synced\ts\t0123\tf\t1.0"
    old.text = text
    for ask in (markers.stage, markers.live, markers.finished):
        with pytest.raises(PreconditionError, match=f"old: {markers.PATH} .*{told}"):
            ask(context)


def test_a_file_that_cannot_be_read_is_none_only_where_it_is_not_there(
    clouds: tuple[Any, Any, Any],
) -> None:
    context, old, new = clouds
    old.unread = "No such file or directory"
    assert markers.stage(context) == ""
    old.unread = "Input/output error"
    with pytest.raises(CommandError, match=rf"cat: {markers.PATH}: Input/output error"):
        markers.live(context)
    new.rows = "released\ts\t0123\tf\t1.0"
    assert markers.live(context)  # half dead, it does not hide what the others say


def test_what_is_looked_at_says_that_its_marks_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here, "FOLDER", str(tmp_path))
    assert look._file() == ([], "")
    (tmp_path / "marker.json").write_text(json.dumps([MARK]))
    assert look._file() == (["copied"], "")
    (tmp_path / "marker.json").write_text("[{")
    assert "marker.json" in look._file()[1]
    (tmp_path / "marker.json").unlink()
    (tmp_path / "marker.json").mkdir()
    assert "Is a directory" in look._file()[1]


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [("elsewhere\ts\t0123\tf\t1.0", ""), ("", "ERROR 1054 (42S22): Unknown column 'fence'")],
)
def test_a_table_that_is_not_understood_is_refused_whatever_the_source_says(
    clouds: tuple[Any, Any, Any], rows: str, wrong: str
) -> None:
    context, old, new = clouds
    old.text, new.rows, new.wrong = json.dumps([MARK]), rows, wrong
    with pytest.raises(PreconditionError, match=r"new: table migrate_marker.stage has"):
        markers.live(context)


def test_marks_are_of_this_version_and_older_ones_without_are_read(
    clouds: tuple[Any, Any, Any],
) -> None:
    context, old, _ = clouds
    old.text = json.dumps([{**MARK, "stage": "released"}])
    assert markers.live(context)
    markers.mark(context, "finished")
    assert [one.get("version") for one in json.loads(old.text)] == [None, markers.VERSION]
    assert markers.finished(context)


def test_records_of_a_machine_s_parts_have_a_version(clouds: tuple[Any, Any, Any]) -> None:
    _, _, new = clouds
    record.remember(new, "packages", {"added": ["nova"]})
    assert json.loads(new.text)["version"] == record.VERSION
    assert record.recall(new, "packages") == {"added": ["nova"]}
    new.text = '{"added": ["nova"]}'  # of the first program: destroy goes on
    assert record.recall(new, "packages") == {"added": ["nova"]}
    new.text = '{"version": 2, "added": {"nova": 1}}'
    with pytest.raises(PreconditionError, match=r"new: .*packages.json is of version 2, .* are 1"):
        record.recall(new, "packages")
