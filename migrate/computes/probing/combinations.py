"""What is to be tried, by facts alone: one server for each combination, however many hosts show it.

A combination is a trip there and one back. It is in use where servers of its shape, with volumes or
without them, run on a host of either platform, and where two open hosts of one zone show it, one of
which is renewed by this run: from zone to zone nova moves only servers that were asked for none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations_with_replacement, islice, product

from migrate.computes.probing.facts import How, Platform, Record, Seen, Shape, Tried, Trip

PAIRS = 3  # of hosts that are looked at for room

Pair = tuple[Seen, Seen]


def of(hosts: Collection[Seen], chosen: Collection[str]) -> dict[Trip, list[Pair]]:
    """Each combination as the trip there, with some pairs of hosts that show it.

    *chosen* are names of hosts that are renewed by this run.
    """
    return _of(hosts, chosen, _shapes(hosts))


def _of(
    hosts: Collection[Seen], chosen: Collection[str], shapes: Mapping[str, Collection[Shape]]
) -> dict[Trip, list[Pair]]:
    used: dict[Platform, set[Shape]] = defaultdict(set)
    zones: dict[str, dict[Platform, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    for one in hosts:
        used[one.platform].update(shapes[one.host])
        if one.open and not one.unready:
            zones[one.zone][one.platform].append(one)
    found: dict[tuple[Platform, Platform], list[Pair]] = defaultdict(list)
    for platforms in zones.values():
        for here, there in combinations_with_replacement(sorted(platforms), 2):
            pairs = _pairs(platforms[here], platforms[there], chosen)
            found[here, there] += islice(pairs, PAIRS)
    return {
        Trip(here, there, shape): pairs
        for (here, there), pairs in found.items()
        if pairs
        for shape in sorted(used[here] | used[there])
    }


def _shapes(hosts: Collection[Seen]) -> dict[str, set[Shape]]:
    """Of the servers on each of *hosts*, with their volumes and, where disks are left, without."""
    found = {}
    for one in hosts:
        shapes = set(one.shapes.values())
        bare = {shape.bare for shape in shapes if shape.volumes}
        found[one.host] = shapes | {shape for shape in bare if shape.disks}
    return found


def untried(
    hosts: Collection[Seen], chosen: Collection[str], record: Record
) -> dict[Trip, list[Pair]]:
    """Those of which one direction or the other was not tried."""
    found = of(hosts, chosen)
    return {trip: pairs for trip, pairs in found.items() if not {trip, trip.back} <= record.keys()}


def expected(
    hosts: Collection[Seen], batches: Sequence[Collection[str]], release: str
) -> set[Trip]:
    """About what will be tried while *batches* come to *release*: before, after the first, after
    all.
    """
    found: set[Trip] = set()
    shapes = _shapes(hosts)
    every = {name for names in batches for name in names}
    for renewed in (set[str](), set(batches[0]) if batches else set(), every):
        stand = [
            replace(one, platform=one.platform._replace(release=release))
            if one.host in renewed
            else one
            for one in hosts
        ]
        found |= _of(stand, every, shapes).keys()
    return found


def _pairs(here: list[Seen], there: list[Seen], chosen: Collection[str]) -> Iterator[Pair]:
    """Two hosts, one of them *chosen*."""
    mine = [one for one in here if one.host in chosen]
    others = [one for one in there if one.host in chosen]
    pairs = chain(product(mine, there), product(here, others))
    return ((one, other) for one, other in pairs if one.host != other.host)


def shown(hosts: Iterable[Seen], trip: Trip) -> set[str]:
    """Servers that run and have the shape of *trip*, whatever volumes they have beside it."""
    return {
        server
        for one in hosts
        for server, has in one.shapes.items()
        if trip.shape in (has, has.bare)
    }


def no_way(
    hosts: Collection[Seen], host: Seen, servers: Collection[str], record: Record
) -> Mapping[Shape, str]:
    """Why *servers* of *host* cannot be live-migrated, by shape: from there to no open host works.

    What was not tried, or could not be, forbids nothing: nova decides.
    """
    to = {
        one.platform
        for one in hosts
        if one.open and one.zone == host.zone and one.host != host.host and not one.unready
    }
    found = {}
    for shape in {host.shapes[one] for one in servers if one in host.shapes}:
        trips = [Trip(host.platform, platform, shape) for platform in sorted(to)]
        tried = [_known(record, trip) for trip in trips]
        if tried and all(one is not None and one.how is How.FAILS for one in tried):
            found[shape] = "; ".join(one.why for one in tried if one is not None)
    return found


def _known(record: Record, trip: Trip) -> Tried | None:
    """What came of *trip*; where it was not tried, of the same without volumes."""
    found = record.get(trip)
    if found is None or found.how is How.UNPROVEN:
        return record.get(trip._replace(shape=trip.shape.bare), found)
    return found
