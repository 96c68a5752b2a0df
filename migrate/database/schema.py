"""Bring the copy to the target's release, project by project, and prove it by alembic's heads."""

from migrate.cloud import Context
from migrate.database import (
    baseline,
    connection,
    copied_urls,
    heads,
    ownership,
    progress,
    tools,
    warm,
)
from migrate.database.service_databases import known
from migrate.engine import markers
from migrate.errors import PreconditionError, StepError
from migrate.services.base import Recipe


def upgraded(context: Context, recipe: Recipe) -> bool:
    """Whether the tools ran to the end over the copy of what is fenced, and the heads show it."""
    fenced = baseline.name(context)
    with connection.session(context.target.database) as link:
        if not progress.noted(link, f"schema:{recipe.project}", fenced):
            return False
    return not heads.behind(context, recipe, copied_urls.seen(context))


def upgrade(context: Context, recipe: Recipe) -> None:
    """Run the project's schema tools on the target's copy.

    Only over a copy that no tool has touched: one that failed half-way may find nothing left to do
    and leave the schema broken. `database.copy` brings such a copy anew. Where the heads prove
    that there is nothing to do, no tool is called; the tool itself is not asked.
    """
    target = context.target.database
    fenced = baseline.current(context)
    begun = f"begun:{recipe.project}"
    with connection.session(target) as link:
        if not all(progress.noted(link, one, fenced) for one in ("compare", progress.COPIED_URLS)):
            raise PreconditionError(
                f"{target.name}: it was not proven that the copy equals the source and leads to "
                "this host only; no schema tool was started"
            )
        if progress.ever(link, begun):
            raise PreconditionError(
                f"{target.name}: {recipe.project}'s schema tools were begun over this copy before; "
                "it must be brought anew first"
            )
        progress.note(link, progress.OWN_WRITES, "")
        progress.note(link, begun, fenced)
    found = [
        database for database in copied_urls.seen(context) if database.project == recipe.project
    ]
    # over an untouched copy: a tool that failed half-way may have written the heads already
    if not heads.prove(recipe, found) or heads.behind(context, recipe, found):
        tools.run(context, recipe, tools.calls(recipe, recipe.sync, found))
    if wrong := heads.behind(context, recipe, found):
        raise StepError(f"{target.name}: {recipe.project} is not upgraded: {'; '.join(wrong)}")
    with connection.session(target) as link:
        progress.note(link, f"schema:{recipe.project}", fenced)


def tools_wait(context: Context) -> bool:
    """Whether the tools wait, or have done what they waited for: then they were let go."""
    return markers.reached(context, markers.SYNCED) or warm.started(context)


def await_tools(context: Context) -> None:
    """Start the tools, so that they wait when the window opens, and read the release's heads."""
    warm.start(context)
    heads.shipped(context, warm.concerned(context))


def synced(context: Context) -> bool:
    """Whether every machine that answers is marked so."""
    return markers.everywhere(context, markers.SYNCED)


def unmark(context: Context) -> None:
    """Not marked as upgraded any more, nor as anything after that."""
    markers.unmark(context, markers.SYNCED)


def finish(context: Context) -> None:
    """Let the waiting tools go, whose memory is wanted now, and mark the target as upgraded."""
    # before the mark: it says that this is done, and a run that died between would leave them
    warm.stop(context, "--no-block")  # the services start beside: nobody waits for this
    markers.mark(context, markers.SYNCED)


def drop(context: Context, recipe: Recipe) -> None:
    """Drop the target's copy of the project's databases, proven not to be the source's.

    An upgraded schema has no way down: the way back is another copy.
    """
    target = context.target.database
    record = ownership.recorded(target)
    if not record["source"]:
        return
    source = ownership.of_source(context)
    with connection.session(target) as link:
        if not progress.ever(link, f"begun:{recipe.project}"):
            return
        ownership.prove_other(link, target, source)
        for database in known(context):
            if database.project == recipe.project and database.name in record["databases"]:
                connection.rows(link, f"DROP DATABASE IF EXISTS {connection.quoted(database.name)}")
        progress.forget_tools(link, [recipe.project])
        progress.forget(link, "compare", "copy")
