"""Every database, broker and cache that configuration files name, wherever an option does so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from migrate.cloud import urls
from migrate.cloud.ini import Ini
from migrate.cloud.values import Option, Values
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
CACHES = re.compile(r"^(memcached?_servers|LOCATION)$", re.IGNORECASE)
ARGUMENT = re.compile(r"url:([\w.:\[\]-]+)$")  # backend_argument of oslo.cache
PYTHON = re.compile(r"""^['"]?([A-Za-z_][\w-]*)['"]?\s*[=:]\s*(.*)$""")  # of a Django setting


@dataclass(frozen=True, slots=True)
class Named:
    """One address, by the option that names it: "/etc/nova/nova.conf:12 connection"."""

    where: str
    kind: str  # "database", "broker" or "cache"
    address: str
    port: int


def named(texts: Mapping[str, str], given: Mapping[str, str]) -> list[Named]:
    """What *texts* name, by path; *given* is what a service works out where no file sets it."""
    return [
        Named(where, *end)
        for where, option, text in _lines(texts, given)
        for end in ends(option, text)
    ]


def others(texts: Mapping[str, str], given: Mapping[str, str]) -> list[Named]:
    """Servers of other kinds in *texts*, such as redis, by the option that names them."""
    return [
        Named(where, scheme, *urls.server(one, OTHERS[scheme]))
        for where, _, text in _lines(texts, given)
        for scheme, hosts in OTHER.findall(text)
        for one in hosts.rpartition("@")[2].split(",")
    ]


def _lines(texts: Mapping[str, str], given: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Where a line of a value stands, its option's name, and the line as the service sees it."""
    inis = {path: Ini.parse(text) for path, text in texts.items() if not path.endswith(".py")}
    sound = [path for path in sorted(inis) if not inis[path].broken()]
    for path, text in sorted(texts.items()):
        if path.endswith(".py"):
            yield from _of_python(path, text)
            continue
        together = {one: texts[one] for one in sound if _folder(one) == _folder(path)}
        values = Values(together, given)
        for line in inis[path].options():
            option = Option(line.section, line.name, line.value, f"{path}:{line.number}")
            for more, seen in enumerate(_seen(values, option).split("\n")):
                yield f"{path}:{line.number + more} {line.name}", line.name, seen


def ends(option: str, text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, address and port of every server that *text*, a value of *option*, names."""
    for kind, pattern in URLS.items():
        if match := pattern.search(text):
            yield from ((kind, *one) for one in urls.servers(kind, match[0].rstrip("\"',)]")))
    if CACHES.match(option) and "://" not in text:
        quoted = re.findall(r"""['"]([^'"]+)['"]""", text)  # Django's settings are Python
        for one in quoted or re.split(r"[,\s]+", text):
            name = one.replace("inet:", "").replace("inet6:", "")
            if re.match(r"^[\w.:\[\]-]+$", name):
                yield ("cache", *urls.server(name, urls.CACHE))
    if argument := ARGUMENT.match(text):
        yield ("cache", *urls.server(argument[1], urls.CACHE))


def _of_python(path: str, text: str) -> Iterator[tuple[str, str, str]]:
    option = ""
    for number, line in enumerate(text.split("\n"), 1):
        rest = line.strip()
        if rest and not rest.startswith("#"):
            if match := PYTHON.match(rest):
                option, rest = match.groups()
            yield f"{path}:{number} {option}", option, rest


def _seen(values: Values, option: Option) -> str:
    try:
        return values.seen(option)
    except PreconditionError:
        return (
            option.value
        )  # most options name no server; one that does leads to nobody, and is told


def _folder(path: str) -> str:
    """Where a service keeps its files; those in `nova.conf.d` belong to what stands above it."""
    folder = PurePosixPath(path).parent
    return str(folder.parent if folder.suffix == ".d" else folder)
