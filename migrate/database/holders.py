"""Which server of a cloud holds a database: asked of the servers themselves, never by a name."""

from collections.abc import Iterable
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

from migrate.cloud import Cloud
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.errors import PreconditionError


class Named(Protocol):
    """What `each_server` sorts."""

    @property
    def name(self) -> str: ...


One = TypeVar("One", bound=Named)
# what each server holds; a database that a server is not known to hold is asked for again
_HELD: WeakKeyDictionary[Host, frozenset[str]] = WeakKeyDictionary()


def holding(cloud: Cloud, name: str) -> Host:
    """The host on whose server *cloud*'s database *name* is; `Cloud.database` where it is on none.

    A host that is named for its database goes before a controller, which may have kept an old copy.
    PreconditionError where two that are named for theirs have one of that name.
    """
    if not cloud.databases:
        return cloud.database
    found = [host for host in cloud.databases if _holds(host, name)]
    if len(found) > 1:
        raise PreconditionError(clash(name, (host.name for host in found)))
    if not found and cloud.tools.exists(connection.SOCKET) and _holds(cloud.tools, name):
        return cloud.tools
    return found[0] if found else cloud.database


def each_server(cloud: Cloud, databases: Iterable[One]) -> list[tuple[Host, list[One]]]:
    """The hosts of *cloud*'s servers, `Cloud.database` first, each with those of *databases* there.

    Who was named for one that has none of them is among them.
    """
    found: dict[Host, list[One]] = {host: [] for host in (cloud.database, *cloud.databases)}
    for one in databases:
        found.setdefault(holding(cloud, one.name), []).append(one)
    return list(found.items())


def clash(name: str, hosts: Iterable[str]) -> str:
    """Why a database of one name at two servers is not moved, and what to do."""
    return (
        f"database {name} is on the servers of {' and '.join(hosts)}: the target has one server, "
        "which holds one of a name. Drop the one that no service uses, or give one another name, "
        "also in the URLs that lead to it"
    )


def _holds(host: Host, name: str) -> bool:
    if name not in _HELD.get(host, ()):
        with connection.session(host) as link:
            rows = connection.rows(link, "SELECT schema_name FROM information_schema.schemata")
        _HELD[host] = frozenset(str(row[0]) for row in rows)
    return name in _HELD[host]
