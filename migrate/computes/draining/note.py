"""Which servers were to leave a host, and how: kept on that host before nova is asked."""

from collections.abc import Iterable

from migrate.cloud.host import Host
from migrate.computes.estimates import Action
from migrate.onhost import call


def read(host: Host) -> dict[str, Action]:
    """By a server's id what was to be done with it; of those that are not back."""
    return {server: Action(action) for server, action in call(host, "away.sent").items()}


def add(host: Host, server: str, action: Action) -> None:
    """Keep *server* beside the others."""
    call(host, "away.add", server, action)


def drop(host: Host, servers: Iterable[str]) -> None:
    """*servers* are back, or are to stay where they are: what users do with them is theirs."""
    call(host, "away.drop", list(servers))


def forget(host: Host) -> None:
    """Nobody is to come back any more."""
    call(host, "away.forget")
