"""The source's database servers: what each holds, and how the target's one server knows it.

One is the usual case, and no case of its own: what is done to several is done to each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import accounts, connection, merged, settings
from migrate.database.holders import each_server
from migrate.database.service_databases import known_logins

KNOWN = "database.servers"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """One of them: the services' databases there, and who logs in to these.

    `number` is 0 for the first, which the target follows by its connection without a name.
    """

    host: Host
    number: int
    names: tuple[str, ...]
    users: tuple[str, ...]

    @property
    def connection(self) -> str:
        """The name of the target's connection to it."""
        return f"source{self.number + 1}" if self.number else ""

    def own(self, things: Mapping[str, T]) -> dict[str, T]:
        """Those of *things*, each named `database` or `database.thing`, that are of this server."""
        return {name: one for name, one in things.items() if name.partition(".")[0] in self.names}


def of(context: Context) -> tuple[Server, ...]:
    """All that hold a database of the services, `Cloud.database` first; asked once a run."""
    if KNOWN not in context.extras:
        context.extras[KNOWN] = _read(context)
    found: tuple[Server, ...] = context.extras[KNOWN]
    return found


def _read(context: Context) -> tuple[Server, ...]:
    """In the stack file's order, so that a connection keeps its name."""
    every = each_server(context.source, known_logins(context))
    # nothing of a server without one is followed: a filter that names none would let all through
    those = [(host, found) for host, found in every if found] or every[:1]
    return tuple(
        Server(
            host,
            number,
            tuple(sorted({one.name for one in found})),
            tuple(sorted({one.user for one in found})),
        )
        for number, (host, found) in enumerate(those)
    )


def named(context: Context, server: Server, text: str) -> str:
    """*text*, with whose server it is about where there are several."""
    return f"{server.host.name}: {text}" if text and len(of(context)) > 1 else text


def part(
    link: connection.Session, server: str, names: Iterable[str], users: Iterable[str]
) -> merged.Part:
    """What *server*, asked by *link*, has of the databases *names* and the accounts of *users*."""
    held = accounts.accounts(link, users)
    return merged.Part(server, tuple(names), held, settings.read(link))
