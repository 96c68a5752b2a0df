"""How long each router was half made and its old host without an agent, for the report."""

from typing import Any

from migrate.cloud import Context
from migrate.engine import state_directory

NAME = "routers.json"


def keep(context: Context, **one: Any) -> None:
    """Add *one* move, in seconds as the hosts saw it.

    `built`: from the first address on the new host to the last, while both hosts had the router;
    `cleared`: until the old one had let go; `rested`: how long the old agent took no changes.
    """
    path = context.home / NAME
    told = {key: round(a, 2) if isinstance(a, float) else a for key, a in one.items()}
    state_directory.record(path, {"moves": [*kept(context), told]})


def kept(context: Context) -> list[dict[str, Any]]:
    """Every move so far, there and back, in their order."""
    found: list[dict[str, Any]] = state_directory.recorded(context.home / NAME).get("moves", [])
    return found
