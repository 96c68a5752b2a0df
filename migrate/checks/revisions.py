"""Every database of the source shows the last revision of the release that the source runs."""

from collections.abc import Iterator

from migrate.cloud import Context, installation, side_by_side
from migrate.cloud.host import Host
from migrate.database import connection, heads
from migrate.database.heads import NONE, Shipped
from migrate.database.holders import each_server
from migrate.database.service_databases import ServiceDatabase, service_databases
from migrate.engine.finding import Finding, error, filled
from migrate.onhost import call
from migrate.services.base import Recipe


def run(context: Context) -> Iterator[Finding]:
    """Databases that an upgrade of before has left behind: the next release does not take them."""
    every = service_databases(context.source, context.recipes)
    shipped = _shipped(context, context.source.tools)
    for host, found in each_server(context.source, every):
        yield from _on(context, host, found, shipped)


def _on(
    context: Context, host: Host, found: list[ServiceDatabase], shipped: dict[str, Shipped]
) -> Iterator[Finding]:
    shown: dict[tuple[str, str], set[str]] = {}
    with connection.session(host) as link:
        for recipe in context.recipes:
            for wanted in recipe.heads:
                for database in heads.concerned(wanted, recipe, found):
                    revisions = heads.revisions(link, database.name, wanted.table)
                    shown[wanted.scripts, database.name] = revisions
    for recipe in context.recipes:
        yield from filled(judge(recipe, found, shipped, shown), where=host.name)


def judge(
    recipe: Recipe,
    found: list[ServiceDatabase],
    shipped: dict[str, Shipped],
    shown: dict[tuple[str, str], set[str]],
) -> Iterator[Finding]:
    """What is told of *recipe*'s databases."""
    tools = " && ".join(" ".join(tool.argv) for tool in recipe.sync)
    for wanted in recipe.heads:
        ends = shipped.get(wanted.scripts, NONE)
        for database in heads.concerned(wanted, recipe, found):
            revisions = shown[wanted.scripts, database.name]
            told = ", ".join(sorted(revisions)) or "no revision"
            if not ends.heads:
                yield error(
                    f"the last revision of {database.name} is not known: {wanted.scripts} is not "
                    "installed there",
                    f"Install {recipe.project} as the source's release has it",
                )
            elif not ends.shown_by(revisions):
                yield error(
                    f"database {database.name} shows {told}, its release ends in "
                    f"{', '.join(sorted(ends.heads))}",
                    f"Finish the upgrade to this release first, as {recipe.user}: {tools}",
                )


def _shipped(context: Context, host: Host) -> dict[str, Shipped]:
    """The heads of the source's own scripts, by the folder that the recipes name."""
    python = installation.found(host, context.source.release).python
    folders = [wanted.scripts for recipe in context.recipes for wanted in recipe.heads]
    names = sorted({folder.partition("/")[0] for folder in folders})
    at: dict[str, str] = call(host, "packages.folders", names, interpreter=[python])
    there = {f"{at[f.partition('/')[0]]}/{f}": f for f in folders if f.partition("/")[0] in at}
    there = {path: folder for path, folder in there.items() if host.exists(path)}
    found = side_by_side.each(lambda path: heads.cold(python, host, [path]), there, workers=2)
    return {there[path]: ends for some in found for path, ends in some.items()}
