"""Monitors' addresses that servers were started with: the domain of each names them, not ceph.conf.

Once attachments name the new ones, a hard reboot gives a server all of them, while both sides'
monitors serve. With the old alone it waits 300 s once these have gone, and fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, refuse, warning
from migrate.errors import UnreachableError, some
from migrate.onhost import call
from migrate.storage.ceph import facts, leaving, members

SHOWN = 8


def all_know(context: Context) -> bool:
    """Whether no server is left that knows none of the new; once old ones went it is too late."""
    return bool(leaving.no_way_back(context)) or not list(findings(context))


def refuse_others(context: Context) -> None:
    """PreconditionError that names them."""
    refuse(findings(context, error))


def findings(context: Context, tell: Callable[..., Finding] = warning) -> Iterator[Finding]:
    """Servers that would neither start nor move once the old monitors have gone, by host."""
    addresses = [one.address for one in members.news(context)]
    every = facts.read(members.asks(context)).monitors
    going = facts.hosts_of(one for one in every if one.name not in members.joining(context))
    old = sorted(one.strip("[]") for one in going)  # who names none of them uses another cluster

    def ask(host: Host) -> list[Finding]:
        try:
            servers = call(host, "monitors_known.without", addresses, old)
        except UnreachableError as away:
            told = f"which monitors its servers know cannot be asked: {away}"
            return [tell(told, "Bring it up first, or take it out of the stack file", host.name)]
        if not servers:
            return []
        return [
            tell(
                f"servers know none of the new monitors: {some(servers, SHOWN)}",
                "`migrate settle --ceph --execute` stops here once stored attachments name them: "
                "reboot each hard then, which gives it all new addresses, and the same again. "
                "Without that it waits 300 s at its next start, and fails",
                host.name,
            )
        ]

    yield from hosts.joined(context.source.computes, ask)
