"""The recipes, in the order the services are brought up (identity first)."""

import re
from collections.abc import Container
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from migrate.errors import SettingsError
from migrate.services import (
    cinder,
    glance,
    heat,
    horizon,
    keystone,
    neutron,
    nova,
    packages,
    placement,
)
from migrate.services.base import Recipe
from migrate.services.rest import Kind
from migrate.services.unit import Unit

GROUP = "sidestep.recipes"
PROJECT = re.compile(r"[a-z][a-z0-9_-]*")

CORE = tuple(
    one.RECIPE for one in (keystone, glance, placement, nova, neutron, cinder, heat, horizon)
)


def found() -> tuple[Recipe, ...]:
    """The core recipes, then those that installed packages add by entry points of `GROUP`."""
    known = {recipe.project for recipe in CORE}
    others: dict[str, Recipe] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        recipe = _loaded(entry)
        if recipe.project in others:
            raise SettingsError(
                f"two packages bring a recipe for {recipe.project}, {entry.value} is one of them; "
                "uninstall one"
            )
        others[recipe.project] = recipe
    return (*CORE, *(recipe for recipe in others.values() if recipe.project not in known))


def _loaded(entry: EntryPoint) -> Recipe:
    """What *entry* names; SettingsError where that is no recipe of this program."""
    loaded = packages.load(entry, "recipe")
    # it becomes part of paths on hosts
    project = getattr(loaded, "project", None)
    if not isinstance(loaded, Recipe) or not PROJECT.fullmatch(str(project)):
        raise SettingsError(f"{entry.value} is no recipe; mend or uninstall its package")
    return loaded


RECIPES = found()


@cache
def units() -> tuple[Unit, ...]:
    """Every unit that a controller of the target is given."""
    return tuple(replace(unit, user=one.user) for one in RECIPES for unit in one.units)


@cache
def kinds() -> tuple[Kind, ...]:
    """Everything that is listed, the slowest service first."""
    rests = sorted((one.rest for one in RECIPES if one.rest), key=lambda rest: rest.turn)
    return tuple(replace(kind, service=rest.service) for rest in rests for kind in rest.kinds)


@cache
def kind(type_: str) -> Kind | None:
    """The kind of that type; None where no recipe has it."""
    return next((one for one in kinds() if one.type == type_), None)


def chosen(names: Container[str] | None) -> tuple[Recipe, ...]:
    """The recipes that *names* holds, in the order of all; None chooses every one."""
    return tuple(recipe for recipe in RECIPES if names is None or recipe.project in names)
