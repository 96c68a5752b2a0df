"""Which way back `migrate status` tells, for the whole and for each host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.computes import installers, versions
from migrate.computes.reinstalling import keeping
from migrate.computes.versions import Versions
from migrate.engine import markers
from migrate.errors import UnreachableError
from migrate.phases import ways_back
from tests.unit import fakes

SERVES = {"new": {"stages": ["copied", "synced", markers.LIVE]}, "old": {"silent": "it is away"}}
FOUND = Versions(
    {"old1": 68, "place": 72, "anew": 72, "between": 68, "alone": 72},
    72,
    {**dict.fromkeys(("old1", "place", "anew", "between"), "cell1"), "alone": "cell2"},
)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Of two cells: in the second nothing old is left."""
    monkeypatch.setattr(versions, "read", lambda _: FOUND)
    stages = {"anew": "itself", "between": "anew"}
    monkeypatch.setattr(keeping, "stages", lambda _: stages)
    context, _ = fakes.context(tmp_path)
    computes = tuple(fakes.FakeHost(name) for name in FOUND.computes)
    return replace(context, source=replace(context.source, computes=computes))


def told(context: Context, machines: dict[str, Any]) -> list[str]:
    return list(ways_back.lines(ways_back.look(context, machines)))


def test_each_host_has_its_own_and_one_of_the_old_release_none(context: Context) -> None:
    hosts = ways_back.look(context, SERVES)["hosts"]
    assert "old1" not in hosts
    assert hosts["place"].startswith("the old units again, in seconds (`migrate settle --back")
    assert hosts["anew"].startswith("reinstalled with the old release from what was kept (")
    assert hosts["between"].startswith("it is between two systems")
    assert hosts["alone"].startswith("none by itself, since no host of the old release is left")


def test_hosts_that_have_the_same_are_in_one_line(context: Context) -> None:
    installers.keep(context, ["anew"], installers.IN_PLACE, begun=())
    whole, *lines = told(context, SERVES)
    assert whole.startswith("way back of the whole: `migrate rollback --stack test --execute`")
    assert [line.partition(": ")[0] for line in lines] == [
        *("way back of place", "way back of anew", "way back of between", "way back of alone")
    ]
    many = {"whole": "x", "hosts": {f"c{n}": "back" for n in range(10)}, "unknown": ""}
    assert list(ways_back.lines(many))[1:] == [
        "way back of c0, c1, c2, c3, c4, c5, c6, c7 and 2 more: back"
    ]


def test_none_is_left_once_finish_has_begun(context: Context) -> None:
    finished = {"new": {"stages": [markers.LIVE, markers.FINISHED]}}
    (line,) = told(context, finished)
    assert line.startswith("way back of the whole: none any more")


def test_nothing_is_told_before_the_target_serves(context: Context) -> None:
    assert told(context, {"new": {"stages": ["copied"]}, "old": {"silent": "away"}}) == []


def test_a_target_that_cannot_be_asked_leaves_the_whole(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Context) -> Versions:
        raise UnreachableError("new: it is away", "new")

    monkeypatch.setattr(versions, "read", away)
    whole, unknown = told(context, {"old": {"stages": [markers.LIVE]}})
    assert "migrate rollback" in whole
    assert unknown == "way back of each host: not known: new: it is away"
