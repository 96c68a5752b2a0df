"""Several controllers of the target: what may run once in a cloud is started once."""

from __future__ import annotations

from pathlib import Path

from migrate.services import RECIPES
from migrate.takeover import preload, start
from tests.unit import fakes


def test_the_volume_service_runs_on_the_first_alone(tmp_path: Path) -> None:
    """Each would serve the source's `host`, which is part of every volume's identity."""
    context, _ = fakes.context(tmp_path)
    cinder = next(recipe for recipe in RECIPES if recipe.project == "cinder")
    first, second = context.target.controllers
    assert "cinder-volume" in start._units(context, cinder, first)
    assert start._units(context, cinder, second) == ["cinder-api", "cinder-scheduler"]
    assert "cinder-volume" in preload._users(context, first)
    assert "cinder-volume" not in preload._users(context, second)


def test_the_others_run_everywhere(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    for recipe in RECIPES:
        assert set(recipe.alone) <= set(recipe.target_units)
        for host in context.target.controllers:
            left = set(recipe.target_units) - set(start._units(context, recipe, host))
            assert left <= set(recipe.alone)


def test_going_back_stops_it_wherever_it_runs(tmp_path: Path) -> None:
    context, hosts = fakes.context(tmp_path)
    cinder = next(recipe for recipe in RECIPES if recipe.project == "cinder")
    fakes.ANSWERS["systemd.show"] = {"cinder-volume": {}}
    try:
        start.stop(context, cinder)
    finally:
        del fakes.ANSWERS["systemd.show"]
    for name in ("new", "new2"):
        assert "systemctl disable --quiet cinder-volume" in hosts[name].asked
