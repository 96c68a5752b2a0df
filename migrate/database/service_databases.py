"""Which databases the services use, read from the source's own configuration and cell mappings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from migrate.cloud import Cloud, Context, urls
from migrate.cloud.host import Host
from migrate.cloud.values import Defaults, Values, read_by
from migrate.database import connection, defaults
from migrate.database.holders import holding
from migrate.errors import PreconditionError
from migrate.onhost import call
from migrate.services.base import DatabaseUrl, Recipe

KNOWN = "database.service-databases"


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
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
        return f"ServiceDatabase({self.project}: {self.name})"


def service_databases(
    cloud: Cloud, recipes: Iterable[Recipe], folder: str = defaults.PACKAGED
) -> list[ServiceDatabase]:
    """Every database of *recipes* as *cloud* is configured, cells included, each once.

    The release's programs stand in *folder*.
    """
    return _each_once(logins(cloud, recipes, folder))


def known(context: Context) -> list[ServiceDatabase]:
    """The source's databases; read once a run, since configuration is fixed by then."""
    return _each_once(known_logins(context))


def known_logins(context: Context) -> list[ServiceDatabase]:
    """Every account of theirs that a file or a cell mapping names, too; read with them."""
    if KNOWN not in context.extras:
        context.extras[KNOWN] = logins(context.source, context.recipes)
    return list(context.extras[KNOWN])


def logins(
    cloud: Cloud, recipes: Iterable[Recipe], folder: str = defaults.PACKAGED
) -> list[ServiceDatabase]:
    """The same with each URL that names one: they may log in as different accounts.

    All that cannot be read is told together in one PreconditionError.
    """
    recipes, host = tuple(recipes), cloud.tools
    told = _read(host, recipes)
    found: list[ServiceDatabase] = []
    wrong: list[str] = []
    for recipe in recipes:
        fallback = defaults.of(host, recipe, folder)
        for wanted in recipe.databases:
            try:
                url = configured(told["texts"], told["given"], recipe, wanted, fallback)
                found.append(of_url(recipe.project, wanted.name, url))
            except PreconditionError as error:
                wrong.append(f"{host.name}: {error}")
    if wrong:
        raise PreconditionError("; ".join(dict.fromkeys(wrong)))
    for recipe in recipes:
        if (name := mapped(recipe, found)) is not None:
            with connection.session(holding(cloud, name)) as link:
                found += cells(link, recipe, found)
    return list({(one.name, one.user, one.url): one for one in found}.values())


def _each_once(found: Iterable[ServiceDatabase]) -> list[ServiceDatabase]:
    return list({one.name: one for one in found}.values())  # a cell knows more than the file


def mapped(recipe: Recipe, known: Iterable[ServiceDatabase]) -> str | None:
    """The name of the database with *recipe*'s cell mappings; None where it has none."""
    named = {one.usual: one.name for one in known if one.project == recipe.project}
    return named.get(recipe.cells.database) if recipe.cells else None


def cells(
    link: connection.Session, recipe: Recipe, known: Iterable[ServiceDatabase]
) -> list[ServiceDatabase]:
    """The databases that *recipe*'s cell mappings name; its main one is among them."""
    named = {one.usual: one for one in known if one.project == recipe.project}
    if recipe.cells is None or recipe.cells.database not in named:
        return []
    main = named.get(recipe.project) or next(iter(named.values()))
    within = recipe.cells
    table = connection.quoted(named[within.database].name, within.table)
    columns = f"{connection.quoted(within.name)}, {connection.quoted(within.database_url)}"
    return [
        of_url(recipe.project, main.usual, filled(str(url), main.url), cell=str(name or ""))
        for name, url in connection.rows(link, f"SELECT {columns} FROM {table}")  # noqa: S608
    ]


def cell_urls(
    cloud: Cloud, recipes: Iterable[Recipe], folder: str = defaults.PACKAGED
) -> list[tuple[str, str]]:
    """Where each URL of a cell mapping in *cloud*'s database stands, the broker's too, and the URL.

    None where the database is not there yet. *folder* as for `service_databases`.
    """
    host = cloud.tools
    celled = [(recipe, recipe.cells) for recipe in recipes if recipe.cells]
    told = _read(host, (recipe for recipe, _ in celled))
    found = []
    for recipe, within in celled:
        fallback = defaults.of(host, recipe, folder)
        urls_of = {
            wanted.name: configured(told["texts"], told["given"], recipe, wanted, fallback)
            for wanted in recipe.databases
        }
        name = of_url(recipe.project, within.database, urls_of[within.database]).name
        base = urls_of.get(recipe.project) or next(iter(urls_of.values()))
        values = _values(told["texts"], told["given"], recipe, recipe.databases[0], "", fallback)
        broker = values.get("DEFAULT", "transport_url") or ""
        with connection.session(holding(cloud, name)) as link:
            if not connection.has_table(link, name, within.table):
                continue
            columns = ", ".join(
                connection.quoted(one)
                for one in (within.name, within.database_url, within.broker_url)
            )
            table = connection.quoted(name, within.table)
            rows = connection.rows(link, f"SELECT {columns} FROM {table}")  # noqa: S608
        for cell, *both in rows:
            where = f"{name}.{within.table} of cell {cell}"
            found += [
                (where, filled(str(url), base_of))
                for url, base_of in zip(both, (base, broker), strict=True)
                if url
            ]
    return found


def places(cloud: Cloud, recipes: Iterable[Recipe]) -> list[tuple[Host, list[str]]]:
    """Where the URL of each database stands: its section, its option, and files in their order.

    Each with the host whose server has the database.
    """
    recipes = tuple(recipes)
    told = _read(cloud.tools, recipes)
    found = []
    for recipe in recipes:
        fallback = defaults.of(cloud.tools, recipe)
        for one in recipe.databases:
            url = configured(told["texts"], told["given"], recipe, one, fallback)
            host = holding(cloud, of_url(recipe.project, one.name, url).name)
            files = read_by("", recipe.project, one.path, told["texts"])
            found.append((host, [one.section, one.option, *files]))
    return found


def _read(host: Host, recipes: Iterable[Recipe]) -> dict[str, Any]:
    mains = {wanted.path for recipe in recipes for wanted in recipe.databases}
    folders = sorted({str(PurePosixPath(path).parent) for path in mains})
    patterns = ("*.conf", "*.conf.d/*.conf")
    return dict(
        call(host, "configured.read", [f"{folder}/{one}" for folder in folders for one in patterns])
    )


def _values(
    texts: Mapping[str, str],
    given: Mapping[str, str],
    recipe: Recipe,
    wanted: DatabaseUrl,
    program: str,
    fallback: Defaults,
) -> Values:
    paths = read_by(program, recipe.project, wanted.path, texts)
    return Values({path: texts[path] for path in paths}, given, fallback)


def configured(
    texts: Mapping[str, str],
    given: Mapping[str, str],
    recipe: Recipe,
    wanted: DatabaseUrl,
    fallback: Defaults = dict,
) -> str:
    """The URL that every program of *recipe* sees; PreconditionError where they do not agree."""
    seen: dict[str, str] = {}
    for program in ("", *(unit.partition(".")[0] for unit in recipe.source_control_units)):
        values = _values(texts, given, recipe, wanted, program, fallback)
        seen[program or recipe.project] = values.get(wanted.section, wanted.option) or ""
    url = seen[recipe.project]
    if not url:
        raise PreconditionError(
            f"neither {wanted.path} nor its folder has [{wanted.section}] {wanted.option}: "
            f"{recipe.project}'s database is unknown; set it there as the service sees it"
        )
    if others := sorted(program for program, one in seen.items() if one != url):
        raise PreconditionError(
            f"{others[0]} has another [{wanted.section}] {wanted.option} than {wanted.path} and "
            "its folder; give all programs of a service one"
        )
    return url


def of_url(project: str, usual: str, url: str, cell: str = "") -> ServiceDatabase:
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
    return ServiceDatabase(project, usual, name, user, url, cell)


def filled(template: str, base: str) -> str:
    """A cell's URL; `{scheme}`, `{username}`, ... are taken from *base* as nova does."""
    if "{" not in template:
        return template
    parts = urlsplit(base)
    names = ("scheme", "username", "password", "hostname", "port", "netloc", "query", "fragment")
    words = {name: str(getattr(parts, name) or "") for name in names}
    words["path"] = parts.path.lstrip("/")
    try:
        return template.format(**words)
    except (KeyError, IndexError, ValueError) as error:
        raise PreconditionError(f"a cell mapping's URL template is malformed ({error})") from error
