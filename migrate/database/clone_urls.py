"""The URLs that schema tools follow, led to the clone before any of them runs, and proven so.

Cell mappings in the data name databases by URL, and tools follow them. So the clone's own are
rewritten, and each URL is asked who answers, by an account that is in the clone alone.
"""

import secrets
from collections.abc import Iterable
from dataclasses import replace

from migrate.cloud import Context, urls
from migrate.database import clone, connection, copied_urls, fingerprint
from migrate.database.service_databases import (
    ServiceDatabase,
    cells,
    filled,
    known,
    known_logins,
    of_url,
)
from migrate.errors import PreconditionError
from migrate.services.base import Recipe

USER = "sidestep_rehearsal"
NOWHERE = "none:///"  # of a broker


def lead(context: Context) -> tuple[list[ServiceDatabase], str]:
    """The services' databases in the clone, proven to be there, and the password of our account."""
    target = context.target.database
    password = secrets.token_hex(16)
    those = known(context)
    names = sorted({one.name for one in those})
    with connection.session(target, clone.SOCKET) as link:
        if missing := set(names) - set(fingerprint.defaults(link, names)):
            raise PreconditionError(
                f"{target.name}: it does not hold {', '.join(sorted(missing))} of the source yet; "
                "`migrate follow --execute` brings what came since"
            )
        connection.rows(link, f"CREATE USER {USER}@localhost IDENTIFIED BY %s", password)
        for name in names:
            grant = f"GRANT ALL ON {connection.quoted(name)}.* TO {USER}@localhost"
            connection.rows(link, grant)
        found = {one.name: replace(one, user=USER, url=_url(one.name, password)) for one in those}
        followed = list(found.values())
        for recipe in context.recipes:
            bases = [one for one in known_logins(context) if not one.cell]
            _rewrite(link, recipe, bases, password)
            followed += cells(link, recipe, found.values())
    prove(context, followed)
    return list(found.values()), password


def _url(name: str, password: str) -> str:
    at = f"{USER}:{password}@localhost/{name}"
    return f"mysql+pymysql://{at}?unix_socket={clone.SOCKET}&charset=utf8mb4"


def _rewrite(
    link: connection.Session, recipe: Recipe, bases: Iterable[ServiceDatabase], password: str
) -> None:
    """Each cell of *recipe* has its database in the clone, and no broker."""
    within = recipe.cells
    if within is None:
        return
    usual = {one.usual: one for one in bases if one.project == recipe.project}
    main = usual.get(recipe.project) or next(iter(usual.values()))
    table = connection.quoted(usual[within.database].name, within.table)
    column, broker = (connection.quoted(one) for one in (within.database_url, within.broker_url))
    for (url,) in connection.rows(link, f"SELECT DISTINCT {column} FROM {table}"):  # noqa: S608
        name = of_url(recipe.project, main.usual, filled(str(url), main.url)).name
        statement = f"UPDATE {table} SET {column} = %s WHERE {column} = %s"  # noqa: S608
        connection.rows(link, statement, _url(name, password), url)
    connection.rows(link, f"UPDATE {table} SET {broker} = %s", NOWHERE)  # noqa: S608


def prove(context: Context, followed: list[ServiceDatabase]) -> None:
    """PreconditionError unless every URL of *followed* names the clone's socket, and ends there."""
    target = context.target.database
    if wrong := [one.name for one in followed if urls.parse(one.url).socket != clone.SOCKET]:
        raise PreconditionError(
            f"{target.name}: no schema tool was started, the URL of {', '.join(wrong)} does not "
            "lead to the clone"
        )
    copied_urls.ask(target, followed, clone.SOCKET)
