"""The rules of a recipe, for one cloud."""

from dataclasses import replace

from migrate.services.base import Recipe
from migrate.services.rules import LOGS, Rules


def of(recipe: Recipe, values: dict[str, str], release: str) -> Rules:
    """The rules of *recipe* on a target of *release*, with *values* put into them."""
    settings = tuple(
        replace(one, value=one.value.format_map(values))
        for one in recipe.rules.settings
        if release >= one.release
    )
    return replace(recipe.rules, settings=settings, gone=(LOGS, *recipe.rules.gone))
