"""What users did on the target that no listing of the administrator shows: its databases know."""

from datetime import UTC, datetime
from typing import Any

from migrate.cloud import Context
from migrate.database import connection
from migrate.database.service_databases import service_databases
from migrate.services.base import Recipe


def passing(context: Context, released: float) -> list[dict[str, str]]:
    """What was made and deleted again since *released*, and left the data of another elsewhere."""
    since = datetime.fromtimestamp(released, UTC).replace(tzinfo=None)
    return [
        {"type": kind.type, "id": str(id_), "name": str(name), "of": str(other)}
        for recipe in context.recipes
        for kind in (recipe.rest.kinds if recipe.rest else ())
        if (one := kind.splits)
        for id_, name, other in _rows(context, recipe, one.table, one.passing, since)
    ]


def unlisted(context: Context, released: float) -> dict[str, list[dict[str, Any]]]:
    """By type, what was made, changed or deleted since *released* and is listed to nobody else."""
    since = datetime.fromtimestamp(released, UTC).replace(tzinfo=None)
    found = {}
    for recipe in context.recipes:
        if one := recipe.unlisted:
            rows = _rows(context, recipe, one.table, one.changed, since, since, since)
            found[one.type] = [
                dict(zip(one.columns, map(_plain, row), strict=True)) for row in rows
            ]
    return found


def _rows(
    context: Context, recipe: Recipe, table: str, statement: str, *values: datetime
) -> list[connection.Row]:
    name = service_databases(context.target, [recipe], context.installation.tools)[0].name
    with connection.session(context.target.database) as link:
        return connection.rows(
            link, statement.format(table=connection.quoted(name, table)), *values
        )


def _plain(value: object) -> object:
    return value.replace(tzinfo=UTC).timestamp() if isinstance(value, datetime) else value
