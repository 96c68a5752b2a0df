"""What names and what proves the data of a fenced source."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrate.cloud.host import Host
from migrate.database import baseline, connection, servers
from migrate.database.fingerprint import Since, digest
from migrate.database.replication import log, proven
from migrate.database.replication.log import Place
from migrate.engine import markers
from migrate.onhost import fencing, record

PLACE = Place("binlog.000001", 400, "0-1-55")


class Killed(BaseException):
    """As by kill -9: nothing is caught."""


def local(_: object, function: str, *arguments: Any, **__: Any) -> Any:
    module, _, name = function.partition(".")
    return getattr(import_module(f"migrate.onhost.{module}"), name)(*arguments)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    record.save(fencing.RECORD, {"token": "first"})
    monkeypatch.setattr(baseline, "call", local)
    monkeypatch.setattr(baseline, "read_only", lambda _: True)
    monkeypatch.setattr(baseline, "known", lambda _: [])
    monkeypatch.setattr(baseline, "_place", lambda _: PLACE)
    monkeypatch.setattr(proven, "arrived", lambda *_: False)
    monkeypatch.setattr(markers, "fencing", lambda _: "first")
    monkeypatch.setattr(connection, "session", lambda _: nullcontext())
    server = cast(Host, SimpleNamespace(name="db"))
    monkeypatch.setattr(servers, "of", lambda _: (servers.Server(server, 0, ("d",), ()),))
    return SimpleNamespace(source=SimpleNamespace(database=server), home=tmp_path)


def taken(rows: int, **more: Any) -> dict[str, Any]:
    table = {"rows": rows, "checksum": 1, "next": None, "definition": "CREATE TABLE `t`", **more}
    kinds = ("views", "triggers", "routines", "events", "accounts")
    empty: dict[str, Any] = {kind: {} for kind in kinds}
    return {"settings": {}, "databases": {}, "tables": {"d.t": table}, **empty}


def test_a_killed_run_leaves_no_name_of_another_fingerprint(
    context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is taken anew where the copy differs from what the proof promised."""
    monkeypatch.setattr(baseline, "of_source", lambda *_, **__: taken(1))
    baseline.take(context)
    assert baseline.name(context) == digest(baseline.fenced(context).fingerprint)
    saved = record.save

    def killed(name: str, value: dict[str, Any]) -> None:
        saved(name, value)
        if name == baseline.RECORD:
            raise Killed

    monkeypatch.setattr(baseline, "of_source", lambda *_, **__: taken(2))
    monkeypatch.setattr(record, "save", killed)
    with pytest.raises(Killed):
        baseline.take(context, whole=True)
    monkeypatch.setattr(record, "save", saved)
    assert not baseline.taken(context)  # and so it is taken again, before anything is done by it
    baseline.take(context)
    assert baseline.name(context) == digest(baseline.fenced(context).fingerprint)


@pytest.mark.parametrize(
    ("named", "wrote", "told"),
    [
        ({"named": "x"}, {}, []),
        ({"named": "x"}, {"d.t": {}}, ["written to since the fence"]),
        ({"named": "x"}, {"other.t": {}}, []),
        ({"named": "x"}, None, ["does not tell any more"]),
        ({}, None, []),  # all was read
        ({}, {"d.t": {}}, []),  # and is as it was
    ],
)
def test_the_way_back_believes_no_log_that_does_not_tell(
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
    named: dict[str, str],
    wrote: dict[str, Any] | None,
    told: list[str],
) -> None:
    monkeypatch.setattr(baseline, "of_source", lambda *_, **__: taken(1, **named))
    monkeypatch.setattr(log, "named", lambda *_, **__: wrote)
    since = {"carried": {"d.t": {"rows": 1, "checksum": 1, **named}}, "keys": {}}
    found = {"fingerprint": taken(1, **named), "since": {**since, "place": asdict(PLACE)}}
    record.save(baseline.RECORD, found)
    differences = list(map(str, baseline.source_equals_fence(context)))
    assert len(differences) == len(told)
    assert all(word in one for word, one in zip(told, differences, strict=True))


NAMED = {"named": "x"}


@pytest.fixture
def resting(context: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A fence whose fingerprint rests on a proof."""
    since = Since({"d.t": {"rows": 1, "checksum": 1}}, {"d.t": [[1]]})
    monkeypatch.setattr(proven, "arrived", lambda *_: True)
    monkeypatch.setattr(proven, "since", lambda *_: since)
    monkeypatch.setattr(baseline, "of_source", lambda *_, **__: taken(1, **NAMED))
    monkeypatch.setattr(baseline, "listed", lambda *_: [("d", "t", 7), ("d", "other", 7)])
    baseline.take(context)
    assert not baseline.taken_later(context)
    return context


def reads(monkeypatch: pytest.MonkeyPatch, now: dict[str, Any], wrote: Any) -> None:
    """Read whole a table holds two rows, and by the rows of the log it is *now*."""

    def measured(_: object, tables: list[Any], since: Since) -> dict[str, Any]:
        assert [one[:2] for one in tables] == [("d", "t")]
        return dict((now if since.carried else taken(2))["tables"])

    monkeypatch.setattr(baseline, "measured", measured)
    monkeypatch.setattr(log, "named", lambda *_, **__: wrote)


def test_what_was_read_whole_later_needs_no_log(
    resting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = baseline.name(resting)
    reads(monkeypatch, taken(1, **NAMED), {})
    baseline.take_later(resting)
    assert baseline.taken_later(resting)
    assert baseline.name(resting) == before  # by which the copy is known
    monkeypatch.setattr(log, "named", lambda *_, **__: None)  # purged
    monkeypatch.setattr(baseline, "of_source", lambda *_, **__: taken(2))
    assert baseline.source_equals_fence(resting) == []
    monkeypatch.setattr(baseline, "of_source", lambda *_, **__: taken(3))
    (told,) = baseline.source_equals_fence(resting)
    assert str(told).startswith("number of rows of d.t: 2 on the fence, 3 on the source now")
    monkeypatch.setattr(baseline, "of_source", lambda *_, **__: taken(1, **NAMED))
    baseline.take(resting)  # another fence's is another's
    assert not baseline.taken_later(resting)


@pytest.mark.parametrize(
    ("now", "wrote"),
    [
        (taken(1, **NAMED), {"d.t": {}}),
        (taken(1, **NAMED), None),
        (taken(1, named="y"), {}),
        ({"tables": {}}, {}),
    ],
    ids=["written to", "the log is gone", "another row", "no table"],
)
def test_nothing_is_kept_of_what_may_not_be_as_it_was_fenced(
    resting: Any, monkeypatch: pytest.MonkeyPatch, now: dict[str, Any], wrote: Any
) -> None:
    reads(monkeypatch, now, wrote)
    baseline.take_later(resting)
    assert baseline.taken_later(resting)
    kept = record.load(baseline.LATER)
    assert kept
    assert kept["tables"] == {}


def test_once_nothing_is_fenced_there_is_nothing_to_read(resting: Any) -> None:
    record.forget(fencing.RECORD)
    assert baseline.taken_later(resting)
