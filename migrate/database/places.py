"""Which databases the services use, read from the source's own configuration and cell mappings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from migrate.database import connection, urls
from migrate.errors import PreconditionError
from migrate.host import Host
from migrate.services.base import DatabaseUrl, Recipe

REFERENCE = re.compile(r"\$\$|\$\{(\w+)\}|\$(\w+)")

READ = """
import glob, pathlib
found = [p for pattern in payload for p in glob.glob(pattern) if pathlib.Path(p).is_file()]
result = {p: pathlib.Path(p).read_text(errors="surrogateescape") for p in found}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A database as a URL names it. `usual` is the recipe's word for it ("nova"), `name` its own.

    `url` holds a password: never shown.
    """

    project: str
    usual: str
    name: str
    user: str
    url: str
    cell: str = ""  # of databases that a cell mapping names

    def __repr__(self) -> str:
        return f"Place({self.project}: {self.name})"


def places(host: Host, recipes: Iterable[Recipe]) -> list[Place]:
    """Every database of *recipes* as *host* is configured, cells included, each once.

    All that cannot be read is told together in one PreconditionError.
    """
    recipes = tuple(recipes)
    files: dict[str, str] = host.python(
        READ,
        [
            *(wanted.path for recipe in recipes for wanted in recipe.databases),
            *(c.path for recipe in recipes for c in recipe.configs if ".conf.d/" in c.path),
        ],
    )
    found: list[Place] = []
    wrong: list[str] = []
    for recipe in recipes:
        for wanted in recipe.databases:
            try:
                url = configured(host, files, recipe, wanted)
                found.append(place(recipe.project, wanted.name, url))
            except PreconditionError as error:
                wrong.append(str(error))
    if wrong:
        raise PreconditionError("; ".join(wrong))
    with connection.session(host) as link:
        for recipe in recipes:
            found += cells(link, recipe, found)
    return list({one.name: one for one in found}.values())  # a cell knows more than the file


def cells(link: connection.Session, recipe: Recipe, known: Iterable[Place]) -> list[Place]:
    """The databases that *recipe*'s cell mappings name; its main one is among them."""
    named = {one.usual: one for one in known if one.project == recipe.project}
    if recipe.cells is None or recipe.cells.database not in named:
        return []
    main = named.get(recipe.project) or next(iter(named.values()))
    within = recipe.cells
    table = connection.quoted(named[within.database].name, within.table)
    columns = f"{connection.quoted(within.name)}, {connection.quoted(within.database_url)}"
    return [
        place(recipe.project, main.usual, filled(str(url), main.url), cell=str(name or ""))
        for name, url in connection.rows(link, f"SELECT {columns} FROM {table}")  # noqa: S608
    ]


def configured(host: Host, files: Mapping[str, str], recipe: Recipe, wanted: DatabaseUrl) -> str:
    """The URL that counts: the last one of the file and of the folders read after it."""
    from migrate.configuration.ini import Ini  # noqa: PLC0415  its package reads databases too

    values: dict[tuple[str, str], str] = {}
    for path in (wanted.path, *sorted(f for f in files if _added(f, recipe, wanted))):
        for line in Ini.parse(files.get(path, "")).options():
            values[line.section, line.name] = line.value
    url = values.get((wanted.section, wanted.option))
    if not url:
        raise PreconditionError(
            f"{host.name}: {wanted.path} has no [{wanted.section}] {wanted.option}: "
            f"{recipe.project}'s database is unknown; set it as the service sees it"
        )
    return interpolated(url, wanted.section, values)


def _added(path: str, recipe: Recipe, wanted: DatabaseUrl) -> bool:
    """Whether a service reads *path* after its main file: `nova.conf.d`, `server.conf.d`."""
    folder = PurePosixPath(path).parent.name
    if folder not in {f"{PurePosixPath(wanted.path).name}.d", "server.conf.d"}:
        return False
    return any(fnmatch(path, config.path) for config in recipe.configs)


def interpolated(value: str, section: str, values: Mapping[tuple[str, str], str]) -> str:
    """*value* with oslo.config's `$option` and `$group.option`... references filled in."""

    def fill(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if not name:
            return "$"
        return values.get((section, name)) or values.get(("DEFAULT", name)) or found[0]

    return REFERENCE.sub(fill, value)


def place(project: str, usual: str, url: str, cell: str = "") -> Place:
    """What a SQLAlchemy *url* says, with percent-encoding undone."""
    try:
        parts = urls.parse(url)
        name, user = parts.database, parts.user
    except ValueError as error:
        raise PreconditionError(f"{project}: a database URL is malformed ({error})") from error
    if not parts.scheme.startswith(("mysql", "mariadb")):
        raise PreconditionError(
            f"{project}: database of kind {parts.scheme or '?'!r}; only MariaDB can be moved"
        )
    connection.quoted(name)
    if not user:
        raise PreconditionError(f"{project}: the URL of database {name} names no user")
    return Place(project, usual, name, user, url, cell)


def filled(template: str, base: str) -> str:
    """A cell's URL; `{scheme}`, `{username}`, ... are taken from *base* as nova does."""
    if "{" not in template:
        return template
    parts = urlsplit(base)
    words = {
        "scheme": parts.scheme,
        "username": parts.username or "",
        "password": parts.password or "",
        "hostname": parts.hostname or "",
        "port": str(parts.port or ""),
        "netloc": parts.netloc,
        "path": parts.path.lstrip("/"),
        "query": parts.query,
        "fragment": parts.fragment,
    }
    try:
        return template.format(**words)
    except (KeyError, IndexError, ValueError) as error:
        raise PreconditionError(f"a cell mapping's URL template is malformed ({error})") from error
