"""Records that no API deletes, as cinder's of the old scheduler: the release's tool does."""

from collections.abc import Collection

from migrate.cloud import Context
from migrate.cloud.api import Api
from migrate.computes.network import reading
from migrate.database import tools
from migrate.errors import StepError
from migrate.finish.facts import Names, Record
from migrate.services.base import Recipe, Tool

LISTED = "volume-service"  # as listings call it
NOT_FOUND = 2  # what the tool ends with where the record is gone


def old(context: Context) -> list[tuple[Recipe, Record]]:
    """Those that go: of a unit that is heard no more, under a name that nobody has.

    One that is heard under the old name is the target's own, by its `host`, and stays.
    """
    api, names = reading.api(context), Names.of(context)
    return [
        (recipe, Record(row["host"], row["binary"], f"{row['binary']}@{row['host']}"))
        for recipe in _recipes(context)
        for row in _rows(api, recipe)
        if row["state"] != "up" and goes(context, row["binary"], row["host"], names)
    ]


def goes(context: Context, binary: str, host: str, names: Names) -> bool:
    """Whether a record of *binary* on *host* goes once its unit runs no more."""
    return names.gone(host) and binary in removed(_recipes(context))


def removed(recipes: Collection[Recipe]) -> set[str]:
    """Whose records go by a tool, by name."""
    return {name for one in recipes if one.outlived for name in one.outlived.removed}


def purged(context: Context) -> bool:
    """Whether none is left."""
    return not old(context)


def purge(context: Context) -> None:
    """Remove them; StepError where the tool fails, or one stays."""
    host = context.target.tools
    for recipe, record in old(context):
        assert recipe.outlived  # it has named the tool
        tool = Tool(argv=(*recipe.outlived.remover, record.binary, record.host))
        answer = tools.cold(context, host, recipe, call := tools.Call(tool, {}, ""))
        if answer["status"] != NOT_FOUND:
            tools.wants_another(host.name, call, answer["status"], answer["output"])
    if left := [str(record) for _, record in old(context)]:
        raise StepError(
            f"{host.name}: records that were removed are still listed: {', '.join(left)}; see who "
            "runs them, then the same again"
        )


def _recipes(context: Context) -> list[Recipe]:
    return [one for one in context.recipes if one.outlived and one.outlived.removed]


def _rows(api: Api, recipe: Recipe) -> list[dict[str, str]]:
    """Records as its API lists them; none where the catalogue has no such API."""
    if not recipe.rest or not recipe.rest.workers or recipe.rest.service not in api.bases:
        return []
    workers = recipe.rest.workers
    rows: list[dict[str, str]] = api.get(recipe.rest.service, workers.path)[workers.list]
    return rows
