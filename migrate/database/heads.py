"""Which alembic revisions the target's installed scripts end in, and which its databases show.

Exit codes of the schema tools are not believed (a tool that found nothing to do, or looked at
another database, also exits 0). The scripts are read by the release's own alembic.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection, warm
from migrate.database.service_databases import ServiceDatabase
from migrate.errors import CommandError, StepError
from migrate.onhost import call
from migrate.services.base import Heads, Recipe

CACHE = "database.heads"


@dataclass(frozen=True, slots=True)
class Shipped:
    """`heads` of a folder of scripts; `implied` ones may be missing, another depends on them."""

    heads: frozenset[str]
    implied: frozenset[str]

    def shown_by(self, revisions: Iterable[str]) -> bool:
        """Whether a database with *revisions* is at the heads, no more and no less."""
        shown = frozenset(revisions)
        return self.heads - self.implied <= shown <= self.heads


NONE = Shipped(frozenset(), frozenset())


def shipped(context: Context, recipes: Iterable[Recipe]) -> dict[str, Shipped]:
    """Heads by the folder of the scripts; read once a run: the release does not change within.

    The waiting tools tell their own (they have alembic imported); otherwise it is started cold.
    """
    cache: dict[str, Shipped] = context.extras.setdefault(CACHE, {})
    target = context.target.tools
    for recipe in recipes:
        folders = [wanted.scripts for wanted in recipe.heads if wanted.scripts not in cache]
        if not folders:
            continue
        told = warm.ask(target, recipe, [{"folders": folders}], timeout=180)
        if told is not None and told[0]["status"] == 0:
            cache |= printed(told[0]["output"])
        else:
            cache |= cold(context.installation.python, target, folders)
        if missing := [folder for folder in folders if not (cache.get(folder) or NONE).heads]:
            raise StepError(
                f"{target.name}: the revisions in {', '.join(missing)} of the release installed "
                "there cannot be read"
            )
    return cache


def printed(output: str) -> dict[str, Shipped]:
    """The heads by folder, of what a waiting tool printed among other things."""
    lines = [line for line in output.splitlines() if line.startswith("@@")]
    return _by_folder(json.loads(line[2:]) for line in lines)


def cold(python: str, host: Host, folders: list[str]) -> dict[str, Shipped]:
    """The heads by folder, of *folders*, by *python*, the release's own."""
    try:
        return _by_folder(call(host, "heads.read", folders, interpreter=[python], timeout=180))
    except CommandError as error:
        said = (error.stderr.strip().splitlines() or [str(error)])[-1][-300:]
        message = f"{host.name}: the release's revisions cannot be read: {said}"
        raise StepError(message) from error


def _by_folder(found: Iterable[dict[str, Any]]) -> dict[str, Shipped]:
    return {
        one["folder"]: Shipped(frozenset(one["heads"]), frozenset(one["implied"])) for one in found
    }


def behind(
    context: Context,
    recipe: Recipe,
    databases: Iterable[ServiceDatabase],
    socket: str = connection.SOCKET,
) -> list[str]:
    """One line for every database of *recipe* on the target that is not at the shipped heads."""
    known = shipped(context, [recipe])
    found = []
    with connection.session(context.target.database, socket) as link:
        for wanted in recipe.heads:
            for database in concerned(wanted, recipe, databases):
                shown = revisions(link, database.name, wanted.table)
                if not known[wanted.scripts].shown_by(shown):
                    found.append(
                        f"{database.name} shows {', '.join(sorted(shown)) or 'no revision'}, the "
                        f"release ends in {', '.join(sorted(known[wanted.scripts].heads))}"
                    )
    return found


def prove(recipe: Recipe, databases: Iterable[ServiceDatabase]) -> bool:
    """Whether *recipe*'s tools have nothing to do where none of *databases* is `behind`.

    Never so where no head speaks of one of them, or of anything.
    """
    mine = {one for one in databases if one.project == recipe.project}
    spoken_of = {one for wanted in recipe.heads for one in concerned(wanted, recipe, mine)}
    return recipe.heads_prove_sync and bool(mine) and spoken_of == mine


def concerned(
    wanted: Heads, recipe: Recipe, databases: Iterable[ServiceDatabase]
) -> list[ServiceDatabase]:
    """The databases that *wanted* speaks of: one, or one a cell."""
    mine = [p for p in databases if p.project == recipe.project and p.usual == wanted.database]
    return mine if wanted.each_cell else mine[:1]


def revisions(link: connection.Session, database: str, table: str) -> set[str]:
    """What a database's own table shows; empty where it has none."""
    if not connection.has_table(link, database, table):
        return set()
    name = connection.quoted(database, table)
    return {str(row[0]) for row in connection.rows(link, f"SELECT version_num FROM {name}")}  # noqa: S608
