"""Every database, broker and cache that configuration files name, wherever an option does so."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import unquote

from migrate.cloud import urls
from migrate.cloud.ini import Ini
from migrate.cloud.python_source import parsed
from migrate.cloud.values import Defaults, Option, Values
from migrate.errors import PreconditionError

URLS = {
    "database": re.compile(r"\b(?:mysql|mariadb)(?:\+\w+)?://.*", re.DOTALL),
    "broker": re.compile(r"\b(?:rabbit|kombu\+\w+|kombu|amqps?)://.*", re.DOTALL),
    "cache": re.compile(r"\bmemcached://.*", re.DOTALL),
}
# coordination and caches that no part of this program sets up
OTHERS = {"redis": 6379, "rediss": 6379, "etcd3": 2379, "zookeeper": 2181, "kazoo": 2181}
OTHERS |= {"etcd3+http": 2379, "etcd3+https": 2379, "consul": 8500, "mongodb": 27017}
OTHER = re.compile(rf"\b({'|'.join(map(re.escape, sorted(OTHERS, reverse=True)))})://([^/?\s]*)")
OTHER_OPTIONS = re.compile(r"^redis_(server|sentinels)$")  # of oslo.cache: redis by host and port
SENTINEL = re.compile(r"[?&]sentinel_fallback=([^&\s]+)")  # more of them in a URL of tooz
SENTINELS = 26379
# a reference that cannot be followed, in an option that is nothing but a server
REFERENCE = re.compile(r"^\$\{?[\w.]+\}?")
WHOLLY = {"connection": "database", "slave_connection": "database", "transport_url": "broker"}
CACHES = re.compile(r"^(memcached?_servers|LOCATION)$", re.IGNORECASE)
# of what may name a server; for all else no release is asked what a reference stands for
SERVERS = re.compile(r"^(\w*connection|transport_url|memcached?_servers) |://")
ARGUMENT = re.compile(r"url:([\w.:\[\]-]+)$")  # backend_argument of oslo.cache


@dataclass(frozen=True, slots=True)
class NamedServer:
    """One address, by the option that names it: "/etc/nova/nova.conf:12 connection"."""

    where: str
    kind: str  # "database", "broker" or "cache"
    address: str
    port: int


def read(
    texts: Mapping[str, str],
    given: Mapping[str, str],
    known: Mapping[str, Defaults] = MappingProxyType({}),
) -> list[NamedServer]:
    """What *texts* name, by path; *given* is what a service works out where no file sets it.

    *known* are defaults of a service, by the folder of its files.
    """
    return [
        NamedServer(where, *server)
        for where, option, text in _lines(texts, given, known)
        for server in in_value(option, text)
    ]


def others(texts: Mapping[str, str], given: Mapping[str, str]) -> list[NamedServer]:
    """Servers of other kinds in *texts*, such as redis, by the option that names them."""
    return [
        NamedServer(where, *server)
        for where, option, text in _lines(texts, given, {})
        for server in _others_in_value(option, text)
    ]


def _others_in_value(option: str, text: str) -> Iterator[tuple[str, str, int]]:
    for scheme, hosts in OTHER.findall(text):
        for one in hosts.rpartition("@")[2].split(","):
            yield (scheme, *urls.server(one, OTHERS[scheme]))
        for one in SENTINEL.findall(text):
            yield (scheme, *urls.server(unquote(one), SENTINELS))
    if OTHER_OPTIONS.match(option):
        for one in filter(None, re.split(r"[,\s]+", text)):
            port = SENTINELS if option.endswith("sentinels") else OTHERS["redis"]
            yield ("redis", *urls.server(one, port))
    if option == "backend_url" and (match := REFERENCE.match(text)):
        yield ("redis", match[0], 0)


def _lines(
    texts: Mapping[str, str], given: Mapping[str, str], known: Mapping[str, Defaults]
) -> Iterator[tuple[str, str, str]]:
    """Where a line of a value stands, its option's name, and the line as the service sees it."""
    inis = {path: Ini.parse(text) for path, text in texts.items() if not path.endswith(".py")}
    sound = [path for path in sorted(inis) if not inis[path].broken()]
    for path, text in sorted(texts.items()):
        if path.endswith(".py"):
            yield from (
                (f"{path}:{number} {name}", name, one) for number, name, one in strings(text)
            )
            continue
        together = {one: texts[one] for one in sound if _folder(one) == _folder(path)}
        values = Values(together, given)
        whole = Values(together, given, known.get(_folder(path), dict))
        for line in inis[path].options():
            option = Option(line.section, line.name, line.value, f"{path}:{line.number}")
            asked = whole if SERVERS.search(f"{line.name} {line.value}") else values
            for more, seen in enumerate(_seen(asked, option).split("\n")):
                yield f"{path}:{line.number + more} {line.name}", line.name, seen


def in_value(option: str, text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, address and port of every server that *text*, a value of *option*, names."""
    for kind, pattern in URLS.items():
        if match := pattern.search(text):
            yield from ((kind, *one) for one in urls.servers(kind, match[0].rstrip("\"',)]")))
    if CACHES.match(option) and "://" not in text:
        for one in re.split(r"[,;\s]+", text):
            name = one.replace("inet:", "").replace("inet6:", "")
            if re.match(r"^[\w.:\[\]${}-]+$", name):
                yield ("cache", *urls.server(name, urls.CACHE))
    if argument := ARGUMENT.match(text):
        yield ("cache", *urls.server(argument[1], urls.CACHE))
    if option in WHOLLY and (match := REFERENCE.match(text)):
        yield (WHOLLY[option], match[0], 0)


def strings(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, name and text of each string in settings of Django that are plain values.

    What is told to be off names nobody. PreconditionError where *text* is no Python.
    """
    try:
        tree = parsed(text)
    except SyntaxError as error:
        raise PreconditionError(f"line {error.lineno} of the settings is no Python") from None
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        name = target.value if isinstance(target, ast.Subscript) else target
        if isinstance(node, ast.Assign) and isinstance(name, ast.Name):
            yield from _within(node.value, name.id)


def _within(node: ast.AST, name: str) -> Iterator[tuple[int, str, str]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, name, node.value
    elif isinstance(node, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else name for key in node.keys]
        values = [one.value if isinstance(one, ast.Constant) else None for one in node.values]
        if ("enabled", False) not in zip(keys, values, strict=True):
            for key, value in zip(keys, node.values, strict=True):
                yield from _within(value, str(key))
    else:
        for child in ast.iter_child_nodes(node):
            yield from _within(child, name)


def _seen(values: Values, option: Option) -> str:
    try:
        return values.seen(option)
    except PreconditionError:
        # most options name no server; one that does leads to nobody, and is told
        return option.value


def _folder(path: str) -> str:
    """Where a service keeps its files; those in `nova.conf.d` belong to what stands above it."""
    folder = PurePosixPath(path).parent
    return str(folder.parent if folder.suffix == ".d" else folder)
