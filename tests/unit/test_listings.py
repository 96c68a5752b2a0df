"""Where in the window the cloud is listed."""

from __future__ import annotations

from migrate.engine.plan import Plan
from migrate.phases.plan import steps
from migrate.services import RECIPES


def test_users_are_listed_before_and_everything_in_the_window() -> None:
    night = Plan.of(steps(RECIPES))
    order = [step.id for step in night]
    for earlier, later in (
        ("listing.users", "gate.users"),
        ("gate.drain", "listing.before"),
        ("listing.before", "gate.all"),
    ):
        assert order.index(earlier) < order.index(later)
    needs = {step.id: step.needs for step in night}
    assert "listing.users" in needs["gate.users"]
    assert "listing.before" in needs["gate.all"]
    assert "gate.drain" in needs["listing.before"]
