"""The way back without a dead controller of the target: every other host of a step is undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrate.computes.installers import in_place
from migrate.engine.journal import Journal
from migrate.engine.plan import Plan, Step
from migrate.engine.runner import Runner
from migrate.errors import StepError
from migrate.phases import plan
from migrate.phases.plan import compose
from migrate.services import RECIPES
from tests.unit import fakes


def undone(tmp_path: Path, step_id: str, dead: str) -> dict[str, list[str]]:
    """What each host is asked while *step_id* is gone back from without *dead*."""
    whole, hosts = fakes.context(tmp_path, dead)
    context = replace(whole, target=whole.target.without({dead}))
    (step,) = (one for one in compose(context) if one.id == step_id)
    journal = Journal(tmp_path / f"journal-{dead}", "test")
    try:
        Runner(Plan((step,)), journal, context).retreat()
    except StepError as error:
        if fakes.NO_SERVER not in str(error):
            raise
    finally:
        journal.close()
    return {name: host.asked for name, host in hosts.items()}


def steps() -> list[Step]:
    return [*plan.steps(RECIPES), *plan.settled("compute", in_place)]


@pytest.mark.parametrize("step_id", [step.id for step in steps() if step.revert])
def test_what_lives_is_asked_the_same_whoever_is_dead(tmp_path: Path, step_id: str) -> None:
    whole = undone(tmp_path, step_id, "")
    for dead, living in (("new2", ("old", "compute", "new")), ("new", ("old", "compute", "new2"))):
        found = undone(tmp_path, step_id, dead)
        for name in living:
            assert set(whole[name]) <= set(found[name]), f"{name}, without {dead}"
