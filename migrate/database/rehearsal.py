"""The next release's schema tools over empty copies of the source's definitions, on the target.

What a migration cannot alter is found while the source serves, not in the window. The copies have
names and an account of their own, and are gone afterwards; what a killed run left is dropped by
the next. The tools find them by their environment alone, which oslo.config prefers to any file.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection, fingerprint, heads, tools
from migrate.database.holders import holding
from migrate.database.service_databases import ServiceDatabase
from migrate.errors import MigrateError, StepError
from migrate.onhost import serve
from migrate.services.base import Recipe, Tool

PREFIX = "sidestep_rehearsal_"
USER = "sidestep_rehearsal"
LIMIT = 600.0  # seconds for one tool: there are no rows

# what shows a database's revision is its only content
DUMP = f"""
dump() {{ {" ".join(serve.DUMP)} --skip-comments "$@"; }}
database=$1; shift
dump --no-data "$database"
for table in "$@"; do dump --no-create-info "$database" "$table" 2>/dev/null || true; done
"""


def definitions(context: Context, recipe: Recipe, database: ServiceDatabase) -> str:
    """The statements that make *database*'s tables, views and triggers, and show its revision."""
    tables = sorted({wanted.table for wanted in recipe.heads})
    source = holding(context.source, database.name)
    return source.shell(DUMP, database.name, *tables, timeout=LIMIT)


def rehearse(context: Context, recipe: Recipe, texts: dict[ServiceDatabase, str]) -> list[str]:
    """Bring databases of *recipe*'s `definitions`, by database, to the release; what went wrong.

    Safe to repeat, not to run twice at once for a project.
    """
    names = {f"{PREFIX}{recipe.project}_{n}": database.name for n, database in enumerate(texts)}
    with _account(context.target.database, recipe, list(names)) as password:
        copies = [
            replace(database, name=name, url=_url(recipe, name, password))
            for name, database in zip(names, texts, strict=True)
        ]
        for copy, (database, text) in zip(copies, texts.items(), strict=True):
            try:
                _copy(context, database, copy.name, text)
            except MigrateError as error:
                return [f"the target does not take the definitions of {database.name}: {error}"]
        told = [one.replace(password, "***") for one in _upgrade(context, recipe, copies)]
    for name in reversed(names):  # the longer ones first: _10 before _1
        told = [one.replace(name, names[name]) for one in told]
    return told


def _upgrade(context: Context, recipe: Recipe, copies: list[ServiceDatabase]) -> list[str]:
    """Run the tools; exit codes are not believed, the copies must show the release's revisions."""
    target = context.target.tools
    own = tools.environment(recipe, copies)
    whole = ", ".join(sorted(copy.name for copy in copies if copy.url in own.values()))
    for call in tools.calls(recipe, tuple(map(_unconfigured, recipe.sync)), copies):
        alone = tools.Call(call.tool, own | dict(call.environment), call.about or whole)
        answer = tools.cold(context, target, recipe, alone, LIMIT)
        try:
            tools.wants_another(target.name, alone, answer["status"], answer["output"])
        except StepError as error:
            return [str(error)]
    return heads.behind(context, recipe, copies)


def _url(recipe: Recipe, name: str, password: str) -> str:
    at = f"{_user(recipe)}:{password}@localhost/{name}"
    return f"mysql+pymysql://{at}?unix_socket={connection.SOCKET}&charset=utf8mb4"


def _unconfigured(tool: Tool) -> Tool:
    """*tool* without configuration files: the target has none of them yet."""
    argv = (
        "/dev/null" if before == "--config-file" else word
        for before, word in zip(("", *tool.argv), tool.argv, strict=False)
    )
    return replace(tool, argv=tuple(argv))


def _copy(context: Context, database: ServiceDatabase, copy: str, text: str) -> None:
    source, target = holding(context.source, database.name), context.target.database
    with connection.session(source) as link:
        usual = fingerprint.defaults(link, [database.name])[database.name]
    with connection.session(target) as link:
        words = (connection.quoted(one) for one in (copy, *usual.split()))
        connection.rows(link, "CREATE DATABASE {} CHARACTER SET {} COLLATE {}".format(*words))
    target.run("mariadb", "--default-character-set=utf8mb4", copy, stdin=text, timeout=LIMIT)


@contextmanager
def _account(target: Host, recipe: Recipe, copies: list[str]) -> Iterator[str]:
    """An account with a password, for these databases alone; it and they are gone afterwards."""
    user, password = _user(recipe), secrets.token_hex(16)
    _remove(target, recipe)
    try:
        with connection.session(target) as link:
            connection.rows(link, f"CREATE USER {user}@localhost IDENTIFIED BY %s", password)
            for copy in copies:
                connection.rows(
                    link, f"GRANT ALL ON {connection.quoted(copy)}.* TO {user}@localhost"
                )
        yield password
    finally:
        _remove(target, recipe)


def _remove(target: Host, recipe: Recipe) -> None:
    with connection.session(target) as link:
        names = connection.rows(
            link,
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name REGEXP %s",
            f"^{PREFIX}{recipe.project}_[0-9]+$",
        )
        for (name,) in names:
            connection.rows(link, f"DROP DATABASE {connection.quoted(name)}")
        connection.rows(link, f"DROP USER IF EXISTS {_user(recipe)}@localhost")


def _user(recipe: Recipe) -> str:
    return f"{USER}_{recipe.project}"
