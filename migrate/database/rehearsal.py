"""The next release's schema tools over empty copies of the source's definitions, on the target.

What a migration cannot alter is found while the source serves, not in the window. The copies have
names and an account of their own, and are gone afterwards; what a killed run left is dropped by
the next. The tools find them by their environment alone, which oslo.config prefers to any file.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from migrate.cloud import Context
from migrate.database import connection, heads, tools
from migrate.database.places import Place
from migrate.errors import MigrateError, StepError
from migrate.host import Host
from migrate.services.base import Recipe, Tool

PREFIX = "sidestep_rehearsal_"
USER = "sidestep_rehearsal"
LIMIT = 600.0  # seconds for one tool: there are no rows

# what shows a database's revision is its only content
DUMP = """
dump() { mariadb-dump --single-transaction --skip-comments --hex-blob "$@"; }
database=$1; shift
dump --no-data "$database"
for table in "$@"; do dump --no-create-info "$database" "$table" 2>/dev/null || true; done
"""


def definitions(context: Context, recipe: Recipe, place: Place) -> str:
    """The statements that make *place*'s tables, views and triggers, and show its revision."""
    tables = sorted({wanted.table for wanted in recipe.heads})
    return context.source.first.shell(DUMP, place.name, *tables, timeout=LIMIT)


def rehearse(context: Context, recipe: Recipe, texts: dict[Place, str]) -> list[str]:
    """Bring databases of *recipe*'s `definitions`, by place, to the release; what went wrong.

    Safe to repeat, not to run twice at once for a project.
    """
    target = context.target.first
    copies = {place.name: f"{PREFIX}{recipe.project}_{n}" for n, place in enumerate(texts)}
    with _account(target, recipe, list(copies.values())) as password:
        for place, text in texts.items():
            try:
                _copy(context, place, copies[place.name], text)
            except MigrateError as error:
                return [f"the target does not take the definitions of {place.name}: {error}"]
        return _upgrade(context, recipe, list(texts), copies, password)


def _upgrade(
    context: Context, recipe: Recipe, mine: list[Place], copies: dict[str, str], password: str
) -> list[str]:
    target, user = context.target.first, _user(recipe)
    urls = {
        place.name: f"mysql+pymysql://{user}:{password}@localhost/{copies[place.name]}"
        f"?unix_socket={connection.SOCKET}&charset=utf8mb4"
        for place in mine
    }
    usual: dict[str, str] = {}
    for place in mine:
        usual.setdefault(place.usual, place.name)
    own = {
        f"OS_{url.section}__{url.option}".upper(): urls[usual[url.name]]
        for url in recipe.databases
        if url.name in usual
    }
    for call in tools.calls(recipe, tuple(map(_unconfigured, recipe.sync)), mine):
        environment = own | ({"OS_DATABASE__CONNECTION": urls[call.about]} if call.about else {})
        about = call.about or ", ".join(sorted(usual.values()))
        alone = tools.Call(call.tool, environment, about)
        answer = tools.cold(context, target, recipe, alone, LIMIT)
        try:
            tools.wants_another(target.name, alone, answer["status"], answer["output"])
        except StepError as error:
            return [str(error).replace(password, "***")]
    return _behind(context, recipe, mine, copies)


def _behind(
    context: Context, recipe: Recipe, mine: list[Place], copies: dict[str, str]
) -> list[str]:
    """The copies that do not show the release's revisions: exit codes are not believed."""
    shipped, wrong = heads.shipped(context, [recipe]), []
    with connection.session(context.target.first) as link:
        for wanted in recipe.heads:
            for place in heads.concerned(wanted, recipe, mine):
                shown = heads.revisions(link, copies[place.name], wanted.table)
                if not shipped[wanted.scripts].shown_by(shown):
                    told = ", ".join(sorted(shown)) or "no revision"
                    ends = ", ".join(sorted(shipped[wanted.scripts].heads))
                    wrong.append(f"{place.name} then shows {told}, the release ends in {ends}")
    return wrong


def _unconfigured(tool: Tool) -> Tool:
    """*tool* without configuration files: the target has none of them yet."""
    argv = [
        "/dev/null" if before == "--config-file" else word
        for before, word in zip(("", *tool.argv), tool.argv, strict=False)
    ]
    return Tool(
        argv=tuple(argv),
        accepted=tool.accepted,
        repeat_while=tool.repeat_while,
        each_cell=tool.each_cell,
    )


def _copy(context: Context, place: Place, copy: str, text: str) -> None:
    source, target = context.source.first, context.target.first
    with connection.session(source) as link:
        ((charset, collation),) = connection.rows(
            link,
            "SELECT default_character_set_name, default_collation_name "
            "FROM information_schema.schemata WHERE schema_name = %s",
            place.name,
        )
    with connection.session(target) as link:
        words = (connection.quoted(one) for one in (copy, charset, collation))
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
