"""Folders of keys, carried as they are: from host to host through memory, never to a disk here."""

from typing import Any

from migrate.cloud import Context, hosts
from migrate.cloud.addresses import counterpart
from migrate.engine import markers
from migrate.onhost import call
from migrate.services.base import Recipe


def _source_keys(context: Context, recipe: Recipe, index: int) -> list[Any]:
    return list(call(counterpart(context, index), "keys.read", list(recipe.keys)))


def carried(context: Context, recipe: Recipe) -> bool:
    """Whether every target controller has the source's keys and no others."""
    return all(
        call(
            *(host, "keys.in_place", recipe.user, list(recipe.keys)),
            _source_keys(context, recipe, index),
        )
        for index, host in enumerate(context.target.controllers)
    )


def carry(context: Context, recipe: Recipe) -> None:
    """Put the source's keys in place of whatever is there; that is kept for `give_back`."""
    markers.refuse_when_live(context)
    for index, host in enumerate(context.target.controllers):
        keys = _source_keys(context, recipe, index)
        call(host, "keys.write", _note(recipe), recipe.user, list(recipe.keys), keys)


def give_back(context: Context, recipe: Recipe) -> None:
    """Remove the keys that were carried, and put back what was there."""
    hosts.gather(context.target.controllers, lambda host: call(host, "undo.undo", _note(recipe)))


def _note(recipe: Recipe) -> str:
    return f"keys-{recipe.project}"
