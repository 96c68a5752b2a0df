"""What is said of live migration: what was found on hosts before, and what came of each try."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from migrate.computes.estimates import Action
from migrate.computes.plan import HostPlan
from migrate.computes.probing.facts import How, Record, Seen, Trip
from migrate.engine.finding import Finding, error, info, warning
from migrate.errors import some

NAME = "live-migration"
NAMES = 5
PERMIT = (
    "where servers write faster than the network carries: live_migration_permit_auto_converge and "
    "live_migration_permit_post_copy of [libvirt] there; `late: complete` of sidestep:settle has "
    "nova complete one whose time is over"
)
MAKE = (
    "give nova on each host a key, or libvirt certificates, for the others "
    "(live_migration_uri of [libvirt]); it is not set up by this program"
)


def findings(hosts: Collection[Seen], planned: Collection[HostPlan]) -> Iterator[Finding]:
    """Hosts that take no server, and those of *planned* whose servers could go to none."""
    wanted = {one.host.name: one for one in planned}
    visited = {to for one in planned for lot in one.lots for to in _visited(one, lot)}
    opened: dict[str, list[Seen]] = defaultdict(list)
    for host in hosts:
        if host.open:
            opened[host.zone].append(host)
    ready = {zone: [to for to in those if not to.unready] for zone, those in opened.items()}
    for host in hosts:
        one = wanted.get(host.host)
        takers = _others(ready.get(host.zone, ()), host)
        if one and one.actions.get(Action.LIVE) and not any(takers):
            closed = islice(_others(opened.get(host.zone, ()), host), 3)
            names = ", ".join(closed) or "none is open"
            yield error(
                f"servers of it are to be live-migrated, and no other host takes any ({names})",
                MAKE,
                host.host,
            )
        if host.unready and (one or host.host in visited):
            tell = warning if host.host in visited else info
            yield tell(f"no server is live-migrated to it: {host.unready}", MAKE, host.host)


def permitted(hosts: Collection[Seen], planned: Collection[HostPlan]) -> Iterator[Finding]:
    """What nova may do for servers that are live-migrated off hosts of *planned*."""
    leave = {one.host.name for one in planned if one.actions.get(Action.LIVE)}
    by: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for host in hosts:
        if host.host in leave:
            by[host.permits].append(host.host)
    for means, names in sorted(by.items()):
        told = " and ".join(means) or "neither auto-converge nor post-copy"
        yield info(f"live migrations off {some(names, NAMES)} may use {told}", PERMIT)


def _others(hosts: Iterable[Seen], but: Seen) -> Iterator[str]:
    return (one.host for one in hosts if one.host != but.host)


def _visited(one: HostPlan, lot: Any) -> Iterator[str]:
    """Hosts to which *lot* is live-migrated."""
    if lot.decision.action is Action.LIVE:
        yield from set(lot.to)
        if lot.decision.home:
            yield one.host.name


def lines(record: Record) -> list[str]:
    """For people, one for each combination that does not work both ways, worst first."""
    told = {}
    for trip, tried in record.items():
        back = record.get(trip.back)
        if tried.how is How.FAILS and (back is None or back.how is not How.WORKS):
            told[frozenset((trip, trip.back))] = f"1 works no way: {trip}: {tried.why}"
        elif tried.how is How.FAILS:
            told[frozenset((trip, trip.back))] = (
                f"2 no way back by live migration: {trip.back} works, and not {trip}: {tried.why}"
            )
        elif tried.how is How.UNPROVEN:
            told.setdefault(frozenset((trip, trip.back)), f"3 unproven: {trip}: {tried.why}")
    return [line[2:] for line in sorted(told.values())]


def document(record: Record) -> list[Mapping[str, str]]:
    """`[{"from": "2025.1 with ...", "to": "...", "server": "pc-q35-10.0, ...", "how": "works",
    "why": ""}]`.
    """
    return [
        {**trip_document(trip), "how": str(tried.how), "why": tried.why}
        for trip, tried in record.items()
    ]


def trip_document(trip: Trip) -> dict[str, str]:
    return {"from": str(trip.source), "to": str(trip.to), "server": str(trip.shape)}
