"""The recipes, in the order the services are brought up (identity first)."""

from __future__ import annotations

from collections.abc import Container
from importlib.metadata import entry_points

from migrate.services import (
    cinder,
    glance,
    heat,
    horizon,
    keystone,
    neutron,
    nova,
    placement,
)
from migrate.services.base import Recipe

GROUP = "sidestep.recipes"

CORE = (
    keystone.RECIPE,
    glance.RECIPE,
    placement.RECIPE,
    nova.RECIPE,
    neutron.RECIPE,
    cinder.RECIPE,
    heat.RECIPE,
    horizon.RECIPE,
)


def found() -> tuple[Recipe, ...]:
    """The core recipes, then those that installed packages add by entry points of `GROUP`."""
    known = {recipe.project for recipe in CORE}
    others = [entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)]
    return (*CORE, *(recipe for recipe in others if recipe.project not in known))


RECIPES = found()


def chosen(names: Container[str] | None) -> tuple[Recipe, ...]:
    """The recipes that *names* holds, in the order of all; None chooses every one."""
    return tuple(recipe for recipe in RECIPES if names is None or recipe.project in names)
