"""What `migrate status` says after a crash: by the journal, by the machines, by both."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.engine.journal import Journal
from migrate.errors import UnreachableError
from migrate.phases import followed, machines, status
from migrate.phases.plan import compose
from migrate.phases.session import Session
from tests.unit import fakes

LOCK = {
    "who": "ann@desk pid 411",
    "since": "2026-11-24T08:00:00+00:00",
    "command": "cutover",
    "papers": "aa",
    "place": "desk:/srv/.migrate/lab",
}


def source(**changed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "side": "source",
        "lock": None,
        "watch": {"state": "absent", "left": 0.0, "alive": False},
        "closed": "",
        "fenced": [],
        "stages": [],
        "unread": "",
        "addresses": [],
    }
    return {**plain, **changed}


def found(**changed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "stack": "lab",
        "held_by": "",
        "papers": "aa",
        "phases": {"follow": "not begun", "cutover": "not begun"},
        "unfinished": [],
        "failed": {},
        "asked": {},
        "remarks": [],
        "machines": {},
    }
    return {**plain, **changed}


ARMED = {"state": "armed", "left": 412.2, "alive": True}
REOPENED = {"state": "reopened", "left": -3.0, "alive": False}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (found(), "migrate check"),
        (
            found(missing="there is no file x"),
            "there is no file x; then `migrate status --stack lab`",
        ),
        (found(held_by="ann"), "wait for the run"),
        (found(held_by="ann", asked={"pause": "bob"}), "migrate resume --stack lab"),
        (found(phases={"follow": "done", "cutover": "not begun"}), "`migrate cutover"),
        (found(phases={"follow": "done", "cutover": "begun"}), "migrate abort --stack lab"),
        (found(phases={"cutover": "done"}), "migrate verify"),
        # a lost journal: the machines' word holds
        (found(machines={"a": source(closed="all", watch=ARMED)}), "migrate abort --stack lab"),
        (found(machines={"a": source(stages=["released"])}), "migrate rollback"),
        (
            found(machines={"a": source(stages=["finished"])}),
            "finish --stack lab --execute` goes on",
        ),
        (found(phases={"cutover": "done", "finish": "done"}), "there is no way back any more"),
        (
            found(phases={"cutover": "begun"}, machines={"a": source(watch=REOPENED)}),
            "the source has reopened itself",
        ),
        # who died over another state directory can still be alive
        (found(machines={"a": source(lock={**LOCK, "papers": "bb"})}), "--take-over"),
        (
            found(phases={"cutover": "begun"}, machines={"a": source(lock=LOCK)}),
            "`migrate cutover --stack lab --execute` goes on",
        ),
    ],
)
def test_what_comes_next(document: dict[str, Any], said: str) -> None:
    assert said in status.following(document)
    assert status.lines({**document, "next": "x"})
    assert json.dumps(document)


def test_a_host_that_was_left_in_the_middle_comes_before_all_is_well() -> None:
    document = found(phases={"cutover": "done"}, verified="12:00:00 UTC", settling=["cmp1.proof"])
    assert "stopped at cmp1.proof goes on by the same command" in status.following(document)


@pytest.mark.parametrize("window", ["undone", "begun"])
@pytest.mark.parametrize("follow", ["undone", "done", "begun"])
def test_a_host_that_was_left_behind_is_put_back_before_anything_begins_again(
    window: str, follow: str
) -> None:
    """It was dead at the way back, and boots into the new release's nova-compute."""
    phases = {"follow": follow, "cutover": window, "settle": "begun"}
    settling = ["cmp1.environment", "cmp1.renew"]
    said = status.following(found(phases=phases, settling=settling))
    assert said.startswith("`migrate rollback --stack lab --execute` undoes what cmp1 still has")
    assert "masked" in said
    undone = status.following(found(phases={**phases, "settle": "undone"}))
    assert "undoes what" not in undone


def test_a_released_target_is_not_aborted() -> None:
    document = found(phases={"cutover": "begun"}, machines={"a": source(stages=["released"])})
    assert "abort" not in status.following(document)


def test_a_machine_in_one_line() -> None:
    one = source(
        closed="users", fenced=["fence"], stages=["copied"], watch=ARMED, lock=LOCK, addresses=["x"]
    )
    assert machines.lines({"ctl": one}) == [
        "source ctl: holds x, closed to users, fenced, marked 'copied', the watch reopens it in "
        "412 s, held by ann@desk pid 411 since 2026-11-24T08:00:00+00:00 for cutover, "
        "state directory desk:/srv/.migrate/lab"
    ]
    assert machines.lines({"ctl": source()}) == ["source ctl: open"]


def test_who_is_silent_is_told_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(host: Any, *_: Any, **__: Any) -> dict[str, Any]:
        if host.name == "dead":
            raise UnreachableError("dead: cannot be reached", "dead")
        return {name: value for name, value in source().items() if name != "side"}

    monkeypatch.setattr(machines, "call", call)
    dead, alive = SimpleNamespace(name="dead"), SimpleNamespace(name="alive")
    context: Any = SimpleNamespace(
        source=SimpleNamespace(
            name="source",
            core=(dead, alive),
            databases=(),
            virtual_ips=(SimpleNamespace(address="x"),),
        ),
        target=SimpleNamespace(name="target", core=(dead,)),
    )
    seen = machines.look(context)
    assert machines.lines(seen) == [
        "target dead: cannot be asked: dead: cannot be reached",
        "source alive: open",
    ]


def test_what_was_said_again_and_again_is_told_once(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    journal = Journal(tmp_path / "journal", "settle")
    for text in ("pause: asked", *["old: not asked"] * 9):
        journal.remark("lock", text)
    document = status.status(Session(context, compose(context), journal))
    journal.close()
    told = [one.partition("lock: ")[2] for one in document["remarks"]]
    assert told == ["pause: asked", "old: not asked"]


@pytest.mark.parametrize(
    ("follows", "error", "behind", "said"),
    [
        (True, "", "0-1-60 of 0-1-60", "followed, nothing behind"),
        (True, "", "0-1-61 of 0-1-60", "followed, nothing behind"),  # it came further meanwhile
        (True, "", "0-1-55 of 0-1-60", "followed, 5 transactions behind (0-1-55 of 0-1-60)"),
        (True, "", "0-1-59 of 0-1-60", "followed, 1 transaction behind (0-1-59 of 0-1-60)"),
        (
            True,
            "",
            "0-1-55,5-2-7 of 0-3-60,5-2-9",  # whoever wrote it: domains count
            "followed, 7 transactions behind (0-1-55,5-2-7 of 0-3-60,5-2-9)",
        ),
        (True, "", " of 0-1-3", "followed, 3 transactions behind ( of 0-1-3)"),
        (True, "", "12 s", "followed, 12 s behind"),
        (True, "", "", "followed, how far is not known"),
        (
            True,
            "1062 Duplicate entry.",
            "0-1-5 of 0-1-6",
            "broken: 1062 Duplicate entry, rebuilt by `migrate follow --stack lab --execute`",
        ),
        (
            False,
            "the source's binary log is MIXED",
            "",
            "copied once, not followed: the source's binary log is MIXED",
        ),
        (False, "", "", "copied once, not followed: nothing was set up to follow"),
    ],
)
def test_how_the_databases_stand(follows: bool, error: str, behind: str, said: str) -> None:
    databases = {"follows": follows, "error": error, "behind": behind}
    assert followed.line("lab", **databases) == f"databases: {said}"  # type: ignore[arg-type]
    lines = status.lines({**found(databases=databases), "next": "x"})
    assert f"databases: {said}" in lines


def test_nothing_is_said_of_databases_that_nobody_asked() -> None:
    for document in (found(), found(databases={})):
        assert not [one for one in status.lines({**document, "next": "x"}) if "databases" in one]
