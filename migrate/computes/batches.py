"""Which hosts come over together: a canary, then batches, zone by zone."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from migrate.computes.facts import ComputeHost


def of(
    hosts: Iterable[ComputeHost],
    load: Mapping[str, int],
    open_hosts: Mapping[str, int],
    *,
    canary: int,
    size: int,
) -> list[list[ComputeHost]]:
    """*hosts* in batches of *size*, the first of *canary* hosts where that is not 0.

    None has hosts of two zones. Those with the least *load*, servers by host, come first: they are
    soon ready to take others' servers. A batch leaves one of the zone's *open_hosts* to take
    servers, new ones too, where there is another.
    """
    zones: dict[str, list[ComputeHost]] = defaultdict(list)
    for host in sorted(hosts, key=lambda one: (load.get(one.name, 0), one.name)):
        zones[host.zone].append(host)
    batches: list[list[ComputeHost]] = []
    for zone, waiting in sorted(zones.items()):
        most = max(1, open_hosts.get(zone, 0) - 1)
        wanted = size if batches or not canary else canary
        while waiting:
            count = min(wanted, most)
            batches.append(waiting[:count])
            waiting = waiting[count:]  # noqa: PLW2901  what is left of the zone
            wanted = size
    return batches
