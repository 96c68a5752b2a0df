"""From after every step there is a way back, to the cloud as it was found; it may be gone twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.engine.journal import State
from migrate.engine.plan import Phase, Plan
from migrate.phases import plan
from migrate.services import RECIPES
from tests.faults.bench import Bench
from tests.faults.conftest import Reference
from tests.faults.state import differences
from tests.faults.tally import Tally
from tests.lab import rig as rigs

pytestmark = pytest.mark.rig

PLAN = Plan.of(plan.steps(tuple(r for r in RECIPES if r.project in rigs.rig().services)))
WHOLE = pytest.mark.in_set("faults-back")
FEW = "vip.takeover back begun|fence.control back begun"
# nothing is in flight on a rig, its daemons and APIs answer: these are done before they are begun
NOTHING_TO_DO = {"gate.drain", "daemons.answer", "apis.answer"}


@WHOLE
def test_it_leaves_nothing(bench: Bench, reference: Reference) -> None:
    bench.bring("released")
    bench.standing = ""
    back(bench, reference)
    bench.standing = "found"


@pytest.mark.parametrize(
    ("where", "kills"),
    [pytest.param(FEW, 1, id="few"), pytest.param(r".* back .*", 0, id="each", marks=WHOLE)],
)
def test_killed_at_each_boundary_of_the_way_back(
    where: str,
    kills: int,
    bench: Bench,
    reference: Reference,
    tally: Tally,
    instants: Iterator[float],
    tmp_path: Path,
) -> None:
    with tally.trial(bench, "rollback point", "released", "found"):
        crashes = bench.crash_through(
            "rollback",
            die_at=where,
            died=tmp_path / "died",
            instants=reference.within("rollback", instants, kills),
        )
        silent = bench.serves()
        wrong = differences(reference.found, bench.picture(), "back")
        tally.crashes("boundary of the way back", crashes, wrong + silent)
        assert crashes.failures + silent + wrong == []


def test_twice_changes_nothing(bench: Bench, reference: Reference) -> None:
    bench.bring("found")
    bench.well("rollback")
    assert differences(reference.found, bench.picture(), "back") == []


@WHOLE
@pytest.mark.parametrize("step", PLAN, ids=lambda step: step.id)
def test_back_from_after(step: Any, bench: Bench, reference: Reference, tally: Tally) -> None:
    with tally.trial(
        bench, "rollback point", "found" if step.phase is Phase.FOLLOW else "followed", "found"
    ):
        word = "begun" if step.id in NOTHING_TO_DO else "unnoted"
        command = "follow" if step.phase is Phase.FOLLOW else "cutover"
        bench.dies(command, f"{step.id} {word}")
        back(bench, reference)


def back(bench: Bench, reference: Reference) -> None:
    """Roll back: the source was compared before its units started, serves, and all is as found."""
    before = len(bench.events())
    bench.well("rollback")
    states = [(event.step, event.state) for event in bench.events()[before:]]
    if ("fence.control", State.REVERTING) in states:
        started = states.index(("fence.control", State.REVERTING))
        compared = ("database.fingerprint", State.REVERTED)
        was_there = ("database.fingerprint", State.REVERTING) in states
        assert not was_there or states.index(compared) < started
    assert bench.serves() == []
    assert differences(reference.found, bench.picture(), "back") == []


@WHOLE
def test_a_source_that_was_written_behind_the_fence_is_not_started(
    bench: Bench, reference: Reference, tally: Tally
) -> None:
    """read_only does not hold back its root: what he changed must be looked at by somebody."""
    with tally.trial(bench, "fault: data", "followed", "found"):
        bench.dies("cutover", "database.compare unnoted")
        source = bench.source()
        written = "mariadb keystone -e \"UPDATE project SET description = 'x' WHERE name = 'demo'\""
        mended = "mariadb keystone -e \"UPDATE project SET description = '' WHERE name = 'demo'\""
        source.shell(written)
        ended = bench.run("rollback")
        assert ended.status == 4, ended
        assert "data is not what it was at the fence, no unit was started" in ended.said
        assert "keystone.project" in ended.said
        assert not source.succeeds("systemctl", "is-active", "--quiet", "keystone")
        source.shell(mended)
        back(bench, reference)
