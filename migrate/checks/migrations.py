"""The next release's migrations go over the source's definitions, tried on the target without rows.

They are tried again only where definitions or the installed release have changed since.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress

from migrate.cloud import Context, side_by_side
from migrate.database import rehearsal
from migrate.database.service_databases import ServiceDatabase, service_databases
from migrate.engine import state_directory
from migrate.engine.finding import Finding, error
from migrate.errors import JournalError, PreconditionError
from migrate.services.base import Recipe

RECORD = "rehearsed.json"  # in the state directory: {"nova": digest of what went well}
INSTALLED = 'stat -c "%n %Y" "$1"/lib/python*/site-packages "$1"/lib/python*/site-packages/"$2"'
COUNTER = re.compile(r" AUTO_INCREMENT=\d+")


def run(context: Context) -> Iterator[Finding]:
    """What the schema tools say where they fail; nothing while the target has no release yet."""
    target = context.target.tools
    if not target.exists(context.installation.python):
        return  # the check of the target tells it
    found = service_databases(context.source, context.recipes)
    recipes = [recipe for recipe in context.recipes if recipe.sync]
    known = _recorded(context)
    told = side_by_side.each(lambda recipe: _one(context, recipe, found, known), recipes, workers=2)
    good = {
        recipe.project: digest
        for recipe, (digest, wrong) in zip(recipes, told, strict=True)
        if not wrong
    }
    with suppress(JournalError):  # what is not recorded is tried again
        state_directory.record(context.home / RECORD, good)
    for recipe, (_, wrong) in zip(recipes, told, strict=True):
        for one in wrong:
            yield error(
                f"the migrations of {context.target.release} do not go over {recipe.project}'s "
                f"definitions: {one}",
                "Mend the definition that it names on the source; release notes and the project's "
                "bug tracker know most of them",
                target.name,
            )


def _one(
    context: Context, recipe: Recipe, found: list[ServiceDatabase], known: dict[str, str]
) -> tuple[str, list[str]]:
    mine = [database for database in found if database.project == recipe.project]
    texts = {database: rehearsal.definitions(context, recipe, database) for database in mine}
    installed = context.target.tools.shell(INSTALLED, context.installation.folder, recipe.project)
    whole = [installed, *(COUNTER.sub("", text) for text in texts.values())]
    digest = hashlib.sha256("\0".join(whole).encode()).hexdigest()
    if known.get(recipe.project) == digest:
        return digest, []
    try:
        return digest, rehearsal.rehearse(context, recipe, texts)
    except PreconditionError as failure:
        return digest, [str(failure)]


def _recorded(context: Context) -> dict[str, str]:
    try:
        return state_directory.recorded(context.home / RECORD)
    except JournalError:
        return {}  # it is tried again
