"""Contract migrations: nothing is left to run, since `Recipe.sync` has them and ran in the window.

That is not believed but asked: each database shows the heads that the release's scripts end in,
those of a branch for contracting too.
"""

from migrate.cloud import Context
from migrate.database import heads
from migrate.database.service_databases import service_databases
from migrate.errors import PreconditionError, StepError


def behind(context: Context) -> list[str]:
    """A line for each database that does not show them."""
    with_heads = [recipe for recipe in context.recipes if recipe.heads]
    found = service_databases(context.target, with_heads, context.installation.tools)
    return [line for recipe in with_heads for line in heads.behind(context, recipe, found)]


def whole(context: Context) -> bool:
    """Whether there is none; not where the target's files name no database, before they came."""
    try:
        return not behind(context)
    except PreconditionError:
        return False


def refuse(context: Context) -> None:
    """StepError that names them: whoever changed the release since must run its tools."""
    wrong = "; ".join(behind(context)) or "it has changed just now"
    raise StepError(
        f"{context.target.database.name}: {wrong}. "
        "Run the schema tools of the release that is installed there, then the same again"
    )
