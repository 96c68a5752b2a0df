"""Who is at the other end of the URLs that a schema tool is about to follow.

The copied data names databases too (nova's cell mappings), and may name the source's controllers
by their own addresses. Those are rewritten to their counterparts on the target, and only then is
everything asked again: by `takeover.isolation`, and here as a last guard that does not rely on how
the target is isolated.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

from migrate.cloud import Context, addresses, urls
from migrate.cloud.host import Host
from migrate.database import baseline, connection, copy, progress
from migrate.database.service_databases import ServiceDatabase, known, service_databases
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.services.base import Recipe

SEEN = "database.seen"
IDENTITY = "SELECT CONCAT(@@server_uid, ' ', @@datadir)"  # as `connection.identity` asks it


Isolated = Callable[[Context], None]  # raises PreconditionError where the target is not


def prove(context: Context, isolated: Isolated) -> None:
    """Make the copied URLs the target's, then prove that all of them end there."""
    target = context.target.database
    fenced = baseline.current(context)
    if not copy.compared(context):
        raise PreconditionError(
            f"{target.name}: the copy was not proven equal to the source; nothing was rewritten"
        )
    lead_here(context, context.recipes, isolated)
    with connection.session(target) as link:
        progress.note(link, progress.COPIED_URLS, fenced)


def lead_here(context: Context, recipes: Iterable[Recipe], isolated: Isolated) -> None:
    """Rewrite and ask; PreconditionError where anything still leads elsewhere.

    As a rule URLs name the virtual IP and nothing is rewritten, so all is asked at once.
    """

    def ask_all() -> None:
        context.extras.pop(SEEN, None)
        ask(context.target.database, seen(context))

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(isolated, context), pool.submit(ask_all)]
        rewritten = pool.submit(rewrite_all, context, tuple(recipes)).result()
        if rewritten:  # what was asked meanwhile was asked too early, whatever came of it
            wait(asked)
            asked = [pool.submit(isolated, context), pool.submit(ask_all)]
        for one in asked:
            one.result()


def rewrite_all(context: Context, recipes: Iterable[Recipe]) -> int:
    """How many URLs of cells were rewritten."""
    replaced = addresses.of(context, 0)
    with connection.session(context.target.database) as link:
        return sum(rewrite(link, context, recipe, replaced) for recipe in recipes)


def seen(context: Context) -> list[ServiceDatabase]:
    """The databases as the target's own configuration and cell mappings name them."""
    if SEEN not in context.extras:
        context.extras[SEEN] = service_databases(
            context.target, context.recipes, context.installation.tools
        )
    return list(context.extras[SEEN])


def proven(context: Context) -> bool:
    """Whether that was proven for the copy of what is fenced now."""
    return copy.noted(context, progress.COPIED_URLS)


def forget(context: Context) -> None:
    """The proof no longer stands. Rewritten URLs stay: they go with the copy."""
    with connection.session(context.target.database) as link:
        progress.forget(link, progress.COPIED_URLS)


def rewrite(
    link: connection.Session, context: Context, recipe: Recipe, replaced: addresses.Mapping
) -> int:
    """Address the cell mappings of *recipe* in the target's copy to the target; how many."""
    within = recipe.cells
    if within is None:
        return 0
    changed = 0
    named = {p.usual: p.name for p in known(context) if p.project == recipe.project}
    table = connection.quoted(named[within.database], within.table)
    for column in (connection.quoted(within.database_url), connection.quoted(within.broker_url)):
        for (url,) in connection.rows(link, f"SELECT DISTINCT {column} FROM {table}"):  # noqa: S608
            if url and replaced.replaced(url) != url:
                progress.note(link, progress.OWN_WRITES, "")
                statement = f"UPDATE {table} SET {column} = %s WHERE {column} = %s"  # noqa: S608
                connection.rows(link, statement, replaced.replaced(url), url)
                changed += 1
    return changed


def ask(host: Host, asked: Iterable[ServiceDatabase], socket: str = connection.SOCKET) -> None:
    """Ask every URL, from *host* and as the service, who answers: only that at *socket* may."""
    asked = list(asked)
    with connection.session(host, socket) as link:
        own = connection.identity(link)
    logins = [urls.parse(database.url).login() for database in asked]
    answers = call(host, "logins.ask", logins, IDENTITY, timeout=60 + 30 * len(logins))
    wrong = []
    for database, (said, told) in zip(asked, answers, strict=True):
        if said:
            wrong.append(f"{database.name} cannot be reached as {database.user} ({said[-200:]})")
        elif told != own:
            wrong.append(f"{database.name} is served by another server ({told})")
    if wrong:
        raise PreconditionError(
            f"{host.name}: no schema tool was started, its URLs do not end here: {'; '.join(wrong)}"
        )
