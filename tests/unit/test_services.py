"""The recipes are data: they agree with each other and with what `pulumi up` makes."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from migrate import services
from migrate.errors import SettingsError
from migrate.services import RECIPES, keystone
from migrate.services.base import Recipe

BY_PROJECT = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.project)
ADDED = replace(keystone.RECIPE, project="barbican")


def test_identity_comes_first() -> None:
    assert [recipe.project for recipe in RECIPES] == [
        *("keystone", "glance", "placement", "nova", "neutron", "cinder", "heat", "horizon")
    ]


def test_apis_answer_where_the_units_listen() -> None:
    listening = {one.port for one in services.units() if one.port}
    proxied = {api.own for recipe in RECIPES for api in recipe.apis}
    assert listening <= proxied
    assert proxied - listening == {6080}  # the console proxy is no uwsgi program


@BY_PROJECT
def test_its_data_agree(recipe: Recipe) -> None:
    names = {database.name for database in recipe.databases}
    paths = {config.path for config in recipe.configs}
    assert {database.path for database in recipe.databases} <= paths
    assert {heads.database for heads in recipe.heads} == names
    assert recipe.cells is None or recipe.cells.database in names
    assert recipe.cells or not any(tool.each_cell for tool in (*recipe.sync, *recipe.online))
    assert bool(recipe.sync) == bool(recipe.databases)
    assert not set(recipe.source_control_units) & set(recipe.source_data_plane_units)
    shipped = {f"/etc/{one.place}" for one in recipe.shipped}
    assert set(recipe.pastes) <= shipped
    assert set(recipe.alone) <= set(recipe.target_units)
    assert recipe.target_units


def test_no_unit_belongs_to_two() -> None:
    units = [unit for recipe in RECIPES for unit in recipe.source_control_units]
    assert len(units) == len(set(units))
    made = [unit.name for unit in services.units()]
    assert len(made) == len(set(made))


def test_others_add_theirs_by_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = EntryPoint("barbican", f"{__name__}:ADDED", services.GROUP)
    again = EntryPoint("keystone", "migrate.services.keystone:RECIPE", services.GROUP)
    asked: list[str] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        asked.append(group)
        return [ours, again]

    monkeypatch.setattr(services, "entry_points", entry_points)
    assert services.found() == (*services.CORE, ADDED)
    assert asked == ["sidestep.recipes"]
    monkeypatch.setattr(services, "entry_points", lambda group: [ours, ours])
    with pytest.raises(SettingsError, match="two packages bring a recipe for barbican"):
        services.found()
