"""Which servers were to leave a host, and how: each is kept before nova is asked."""

from __future__ import annotations

import threading
from pathlib import Path

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.computes.estimates import Action
from migrate.engine import state_directory

ALONE = threading.Lock()


def read(context: Context, host: Host) -> dict[str, Action]:
    """By a server's id what was to be done with it; of those that are not back."""
    found = state_directory.recorded(_path(context, host)).get("servers", {})
    return {server: Action(action) for server, action in found.items()}


def add(context: Context, host: Host, server: str, action: Action) -> None:
    """Keep *server* beside the others."""
    with ALONE:
        kept = {**read(context, host), server: action}
        state_directory.record(_path(context, host), {"servers": kept})


def drop(context: Context, host: Host, server: str) -> None:
    """*server* is back, or is to stay where it is: what its user does with it now is theirs."""
    with ALONE:
        kept = read(context, host)
        kept.pop(server, None)
        state_directory.record(_path(context, host), {"servers": kept})


def forget(context: Context, host: Host) -> None:
    """Nobody is to come back any more."""
    state_directory.forget(_path(context, host))


def _path(context: Context, host: Host) -> Path:
    return context.home / f"settle-{host.name}-servers.json"
