"""Ceph asks its new release of every OSD from here on, once each daemon says that it is of it.

Ceph itself accepts that with all OSDs of the old release, and warns that it was forgotten: it goes
by features. Here `ceph versions` and `ceph osd metadata` count.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate.cloud import Context
from migrate.engine import finding, markers
from migrate.engine.finding import Finding, error
from migrate.errors import StepError
from migrate.onhost import call
from migrate.storage.ceph import (
    addresses,
    attachments,
    facts,
    findings,
    leaving,
    members,
    no_return,
    old_address,
    releases,
)


def refusals(context: Context) -> Iterator[Finding]:
    """What of Ceph is old yet, or not well; nothing once all machines are marked."""
    if members.moves(context) and not markers.finished(context):
        yield from _wrong(context)


def is_required(context: Context) -> bool:
    """Whether the cluster asks of its OSDs the release that they are of."""
    cluster = facts.read(members.asks(context))
    return cluster.require_osd_release == releases.name(_newest(cluster))


def require(context: Context) -> None:
    """Let it ask that; PreconditionError, and nothing is set, where one daemon is older."""
    finding.refuse(_wrong(context))
    asks = members.asks(context)
    name = releases.name(_newest(facts.read(asks)))
    call(asks, "ceph.run", "osd", "require-osd-release", name)
    if not is_required(context):
        raise StepError(f"{asks.name}: `ceph osd require-osd-release {name}` changed nothing")


def are_dropped(context: Context) -> bool:
    """Whether no ceph.conf and no attachment names what no monitor has any more beside others."""
    gone = _gone(context)
    users = members.users(context)
    return not gone or not (addresses.left(users, gone) or attachments.left(context, gone))


def drop(context: Context) -> None:
    """Take these out."""
    gone = _gone(context)
    addresses.drop(members.users(context), gone)
    attachments.drop(context, gone)


def _gone(context: Context) -> set[str]:
    """Addresses that old monitors had, as was noted, or new ones before, and none has now."""
    asks = members.asks(context)
    noted = (call(asks, "record.load", no_return.NOTE) or {}).get("addresses", [])
    before = members.news(context) if members.keeps(context) else []
    had = {*noted, *(one.address for one in before)}
    return had - facts.hosts_of(facts.read(asks).monitors)


def _wrong(context: Context) -> Iterator[Finding]:
    if not leaving.is_committed(context):
        yield error(
            "the old monitors of Ceph are not removed", "`migrate settle --ceph --execute` does"
        )
        return
    if members.keeps(context) and not old_address.taken(context):
        yield error(
            "the new monitors of Ceph have not all taken over an old one's address",
            "`migrate settle --ceph --execute` goes on with it",
        )
    cluster = facts.read(members.asks(context))
    yield from older(cluster)
    yield from findings.well(cluster)


def older(cluster: facts.Cluster) -> Iterator[Finding]:
    """Daemons of an older release than the newest, by their own word."""
    newest = _newest(cluster)
    old = sorted({osd.host for osd in cluster.osds if osd.version[0] != newest})
    if old:
        yield error(
            f"OSDs are of an older release than {releases.name(newest)}: {', '.join(old)}",
            "`migrate settle --ceph --host NAME --execute` brings them over",
        )
    for kind in findings.CORE:
        several = sorted({one[0] for one in cluster.versions.get(kind, {})} - {newest})
        if several and not (kind == "osd" and old):
            told = ", ".join(map(releases.name, several))
            yield error(
                f"there is a {kind} of {told}", "`ceph versions` says so: see that all are renewed"
            )


def _newest(cluster: facts.Cluster) -> int:
    told = [one for kind in findings.CORE for one in cluster.versions.get(kind, {})]
    return max(one[0] for one in (*told, *(osd.version for osd in cluster.osds)))
