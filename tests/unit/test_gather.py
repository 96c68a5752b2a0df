"""Many hosts asked at a time: whoever fails costs the others nothing, and is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import hosts
from migrate.cloud.hosts import call_each
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Plan
from migrate.engine.runner import Runner
from migrate.errors import (
    CommandError,
    HostKeyError,
    LockedError,
    MigrateError,
    PreconditionError,
    StepError,
    UnreachableError,
)
from migrate.phases.plan import compose
from tests.unit import fakes

NAMES = ("one", "two", "three")


def asked(*errors: MigrateError | None) -> tuple[list[Any], list[str]]:
    """Three fake hosts that raise *errors*, one each, and the names of those that were asked."""
    those: list[Any] = [fakes.FakeHost(name) for name in NAMES]
    seen: list[str] = []

    def ask(host: Any) -> str:
        seen.append(host.name)
        if error := errors[NAMES.index(host.name)]:
            raise error
        return f"{host.name} answered"

    return hosts.gather(those, ask), seen


def test_answers_come_in_the_hosts_order() -> None:
    answers, seen = asked(None, None, None)
    assert answers == [f"{name} answered" for name in NAMES]
    assert sorted(seen) == sorted(NAMES)
    assert hosts.gather([], str) == []


def away(name: str) -> UnreachableError:
    return UnreachableError(f"{name} is away", name)


@pytest.mark.parametrize(
    ("errors", "kind", "told"),
    [
        ((None, CommandError("two", "ls", 2, "no"), None), CommandError, r"two: ls exited 2: no$"),
        ((away("one"), None, away("three")), UnreachableError, "one is away; three is away$"),
        (
            (away("one"), HostKeyError("two: another key", "two"), None),
            UnreachableError,
            "one is away; two: another key$",
        ),
        ((away("one"), None, StepError("no room")), StepError, "one is away; three: no room$"),
        (
            (StepError("no room"), LockedError("two: taken over"), away("three")),
            LockedError,
            "two: taken over$",
        ),
        (
            (PreconditionError("one: no HAProxy"), PreconditionError("two: no HAProxy"), None),
            PreconditionError,
            "one: no HAProxy; two: no HAProxy$",
        ),
    ],
)
def test_all_that_fail_are_told_together(errors: Any, kind: type[MigrateError], told: str) -> None:
    with pytest.raises(kind, match=f"^{told}"):
        asked(*errors)


def test_who_does_not_answer_is_named() -> None:
    with pytest.raises(UnreachableError) as caught:
        asked(away("one"), None, away("three"))
    assert caught.value.hosts == {"one", "three"}


def test_a_bug_keeps_its_own_traceback() -> None:
    bug: Any = KeyError("x")
    with pytest.raises(KeyError):
        asked(away("one"), bug, None)


def test_the_living_are_asked_without_the_dead() -> None:
    those: list[Any] = [fakes.FakeHost("one"), fakes.FakeHost("two", dead=True)]
    assert hosts.living(those, lambda host: host.run("true") or host.name) == ["one"]

    def another(host: Any) -> str:
        raise HostKeyError(f"{host.name}: another key", host.name)

    with pytest.raises(HostKeyError):
        hosts.living(those[:1], another)


def test_a_function_is_called_on_each() -> None:
    those: list[Any] = [fakes.FakeHost("one"), fakes.FakeHost("two")]
    assert call_each(those, "agents.forget", 1.0) == [[], []]
    assert [one.asked for one in those] == [["agents.forget"]] * 2


def test_a_dead_compute_host_does_not_hold_up_the_way_back(tmp_path: Path) -> None:
    """Every other host is undone, the dead one named, and what it still owes is begun still."""
    context, machines = fakes.context(tmp_path, "compute")
    plan = compose(replace(context, recipes=()))
    steps = [one for one in plan if one.id in ("gate.timer", "agents.record", "agents.reconnect")]
    journal = Journal(tmp_path / "journal", "test")
    for step in steps:
        journal.record(step.phase, step.id, State.DONE)
    with pytest.raises(StepError, match=r"agents\.record: compute is away.*the same again"):
        Runner(Plan(tuple(steps)), journal, context).retreat()
    undone = {"agents.disconnect", "agents.forget", "reopen_timer.remove"}
    assert set(machines["old"].asked) == undone
    assert sorted(journal.begun()) == ["agents.reconnect", "agents.record"]
    machines["compute"].dead = False
    Runner(Plan(tuple(steps)), journal, context).retreat()
    assert set(machines["compute"].asked) == undone - {"reopen_timer.remove"}
    assert journal.begun() == []
