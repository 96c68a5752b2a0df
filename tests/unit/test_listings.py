"""Where in the window the cloud is listed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from migrate.phases.plan import compose
from migrate.services import RECIPES


def test_users_are_listed_before_and_everything_in_the_window() -> None:
    context: Any = SimpleNamespace(recipes=RECIPES)
    order = [step.id for step in compose(context)]
    for earlier, later in (
        ("listing.users", "gate.users"),
        ("gate.drain", "listing.before"),
        ("listing.before", "gate.all"),
    ):
        assert order.index(earlier) < order.index(later)
    needs = {step.id: step.needs for step in compose(context)}
    assert "listing.users" in needs["gate.users"]
    assert "listing.before" in needs["gate.all"]
    assert "gate.drain" in needs["listing.before"]
