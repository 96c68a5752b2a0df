"""Servers as the source names them, and as they really run."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Home:
    """A server by the source's databases; `host` is "" where it is on none. Volumes by id."""

    host: str
    volumes: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    task: str = ""


@dataclass(frozen=True, slots=True)
class Domain:
    """A server that runs on `host`. `volumes` None: libvirt does not tell."""

    server: str
    name: str
    host: str
    volumes: frozenset[str] | None = frozenset()
    ports: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """A server by the target's database."""

    name: str
    host: str
    task: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Hosts are named as in the stack file, and `called` says what nova calls them, where they are
    known to it. Of `hosts`, all of them, the `silent` are dead.

    `idle` are ports of servers that do not run, by host. `now` is None where the target's database
    cannot be asked.
    """

    homes: Mapping[str, Home] = field(default_factory=dict)
    domains: tuple[Domain, ...] = ()
    idle: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    now: Mapping[str, Row] | None = None
    silent: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    called: Mapping[str, str] = field(default_factory=dict)
