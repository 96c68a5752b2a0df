"""Monitors' addresses that servers were started with: the domain of each names them, not ceph.conf.

While both sides' monitors serve, a live migration gives a server's volumes the new addresses, and a
hard reboot its root disk. With the old alone it waits 300 s once these have gone, and fails.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error
from migrate.errors import some
from migrate.onhost import call
from migrate.storage.ceph import members

SHOWN = 8


def findings(context: Context) -> Iterator[Finding]:
    """Servers that would neither start nor move once the old monitors have gone, by host."""
    addresses = [one.address for one in members.news(context)]

    def ask(host: Host) -> list[Finding]:
        servers = call(host, "monitors_known.without", addresses)
        if not servers:
            return []
        return [
            error(
                f"servers know none of the new monitors: {some(servers, SHOWN)}",
                "Live-migrate each for its volumes, then reboot it hard for its root disk, while "
                "the old monitors serve: afterwards it waits 300 s at its next start, and fails",
                host.name,
            )
        ]

    yield from hosts.joined(context.source.computes, ask)
