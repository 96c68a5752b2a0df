"""When `migrate cutover` asks the checks again, and when it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.checks import access
from migrate.cloud import Context, connect
from migrate.cloud.settings import parse
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase
from migrate.errors import PreconditionError
from migrate.phases import readiness
from migrate.services import chosen
from tests.unit.test_settings import GOOD


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A cloud none of whose machines answers."""
    given = {name.removeprefix("sidestep:"): value for name, value in GOOD.items()}
    made = connect("prod", parse(given, "prod", tmp_path), tmp_path, chosen(["keystone"]))
    return access.without(made, ["ctl-old", "cmp1", "ctl-new"])


def test_a_window_that_stands_open_is_known_though_no_machine_answers(context: Context) -> None:
    assert not readiness.begun(context)
    journal = Journal(context.home / "journal", "test")
    journal.record(Phase.FOLLOW, "keystone.config", State.DONE)
    assert not readiness.begun(context)
    journal.record(Phase.CUTOVER, "gate.timer", State.STARTED)
    assert readiness.begun(context)
    journal.record(Phase.CUTOVER, "gate.timer", State.REVERTED)
    assert not readiness.begun(context)  # the window was undone: the next one begins anew
    journal.close()


def test_a_way_back_that_was_killed_over_no_window_leaves_none_open(context: Context) -> None:
    """It notes steps that were never taken; going back again still has to do all of them."""
    journal = Journal(context.home / "journal", "test")
    journal.record(Phase.CUTOVER, "gate.timer", State.REVERTING)
    assert not readiness.begun(context)
    assert journal.entered(Phase.CUTOVER) == []
    assert journal.begun(Phase.CUTOVER) == ["gate.timer"]
    journal.close()


def test_only_what_is_chosen_is_moved(context: Context) -> None:
    assert [recipe.project for recipe in context.recipes] == ["keystone"]
    assert len(chosen(None)) == 8


def test_the_way_is_asked_for(context: Context, tmp_path: Path) -> None:
    readiness.require_path(context)
    given = {name.removeprefix("sidestep:"): value for name, value in GOOD.items()}
    given["source"] = {**given["source"], "release": "2026.1"}
    same = connect("prod", parse(given, "prod", tmp_path), tmp_path, ())
    with pytest.raises(PreconditionError, match="nothing to upgrade"):
        readiness.require_path(same)
