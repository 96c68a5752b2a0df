"""What users did on the target that no listing of the administrator shows: its databases know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from migrate.cloud import Context
from migrate.database import connection
from migrate.database.service_databases import service_databases
from migrate.storage.volumes import policy

# made and deleted again since: no listing shows them, the rows stay
SNAPSHOTS = (
    "SELECT id, COALESCE(display_name, ''), volume_id FROM {table} "
    "WHERE created_at >= %s AND deleted"
)


def passing_snapshots(context: Context, released: float) -> list[dict[str, str]]:
    """Volume snapshots that were made and deleted again since *released*."""
    since = datetime.fromtimestamp(released, UTC).replace(tzinfo=None)
    rows = _rows(context, policy.PROJECT, "snapshots", SNAPSHOTS, since)
    return [{"id": str(i), "name": str(n), "volume_id": str(v)} for i, n, v in rows]


def unlisted(context: Context, released: float) -> dict[str, list[dict[str, Any]]]:
    """By type, what was made, changed or deleted since *released* and is listed to nobody else."""
    since = datetime.fromtimestamp(released, UTC).replace(tzinfo=None)
    found = {}
    for recipe in context.recipes:
        if one := recipe.unlisted:
            rows = _rows(context, recipe.project, one.table, one.changed, since, since, since)
            found[one.type] = [
                dict(zip(one.columns, map(_plain, row), strict=True)) for row in rows
            ]
    return found


def _rows(
    context: Context, project: str, table: str, statement: str, *values: datetime
) -> list[connection.Row]:
    recipe = next((one for one in context.recipes if one.project == project), None)
    if recipe is None:
        return []
    name = service_databases(context.target.tools, [recipe], context.installation.tools)[0].name
    with connection.session(context.target.database) as link:
        return connection.rows(
            link, statement.format(table=connection.quoted(name, table)), *values
        )


def _plain(value: object) -> object:
    return value.replace(tzinfo=UTC).timestamp() if isinstance(value, datetime) else value
