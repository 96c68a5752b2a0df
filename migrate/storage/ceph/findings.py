"""What must be known of a cluster before a daemon of another release comes near it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from migrate.engine.finding import Finding, error, warning
from migrate.storage.ceph import releases
from migrate.storage.ceph.facts import Cluster, Version

# "set" without anybody's will
OWN_FLAGS = {"sortbitwise", "recovery_deletes", "purged_snapdirs", "pglog_hardlimit"}
TOLD_APART = {"OSDMAP_FLAGS", "OSD_FLAGS"}  # the cluster's complaints of what we name ourselves
FULL = {
    "OSD_NEARFULL",
    "OSD_BACKFILLFULL",
    "OSD_FULL",
    "POOL_NEARFULL",
    "POOL_BACKFILLFULL",
    "POOL_FULL",
}
# what two copies that are apart by it survive the loss of a host with
APART = {
    "host", "chassis", "rack", "row", "pdu", "pod", "room", "datacenter", "zone", "region",
}  # fmt: skip
# said of OSDs of 16.2.15 as soon as no old monitor is left: they have features of 18
UPGRADE_FINISHED = "OSD_UPGRADE_FINISHED"
# said of daemons of two releases after a week
OF_THE_MIDDLE = {UPGRADE_FINISHED, "DAEMON_OLD_VERSION"}
CORE = ("mon", "mgr", "osd")
KINDS = {*CORE, "mds", "rgw"}  # of daemons that something is said of elsewhere
PROTOCOLS = {"v1", "v2"}


def before(cluster: Cluster, release: int) -> Iterator[Finding]:
    """All that forbids, or should be known before, daemons of Ceph's *release* join *cluster*."""
    yield from unsupported(cluster)
    yield from health(cluster)
    yield from flags(cluster)
    yield from replication(cluster)
    yield from osds(cluster)
    yield from monitors(cluster)
    yield from versions(cluster, release)
    yield from moving(cluster)
    yield from others(cluster)


def well(cluster: Cluster) -> Iterator[Finding]:
    """All that forbids a step in the middle, when daemons are of two releases."""
    others = tuple(one for one in cluster.complaints if one.code not in OF_THE_MIDDLE)
    yield from health(replace(cluster, complaints=others))
    yield from flags(cluster)
    yield from replication(cluster)
    yield from osds(cluster)
    yield from monitors(cluster)


def unsupported(cluster: Cluster) -> Iterator[Finding]:
    """What this program was never shown to bring over: recognised, and refused."""
    erasure = [pool.name for pool in cluster.pools if pool.erasure]
    if erasure:
        yield error(
            f"pools are erasure-coded: {_names(erasure)}",
            "Bring this cluster over by Ceph's own means; here it is only a client's",
        )
    if cluster.filesystems or "mds" in cluster.versions:
        told = f": {_names(cluster.filesystems)}" if cluster.filesystems else ""
        yield error(
            f"there is CephFS, or a metadata server{told}",
            "Bring this cluster over by Ceph's own means; here it is only a client's",
        )
    if six := [one.name for one in cluster.monitors if "[" in "".join(one.addresses.values())]:
        yield error(
            f"monitors are at IPv6 addresses: {_names(six)}",
            "Bring this cluster over by Ceph's own means: new monitors get IPv4 addresses alone",
        )
    contained = [f"osd.{osd.id}" for osd in cluster.osds if osd.container]
    if "cephadm" in cluster.modules or contained:
        yield error(
            "its daemons are cephadm's, or run in containers",
            "Upgrade it by its own orchestrator (`ceph orch upgrade`): only packages are moved",
        )
    if other := [f"osd.{osd.id}" for osd in cluster.osds if osd.store not in ("", "bluestore")]:
        yield error(
            f"OSDs do not keep their data in BlueStore: {_names(other)}",
            "Make them anew one by one in the old release: the new one reads no other store",
        )


def health(cluster: Cluster) -> Iterator[Finding]:
    """What the cluster itself complains of. What is muted was seen by somebody."""
    for one in cluster.complaints:
        if one.code in TOLD_APART:
            continue
        if one.muted:
            yield warning(
                f"{one.code} is muted: {one.message}", "Make sure that it is still meant so"
            )
        elif one.code in FULL:
            ratios = ", ".join(f"{name} at {ratio:.0%}" for name, ratio in cluster.ratios.items())
            yield error(
                f"{one.code}: {one.message} ({ratios})",
                "Free room or add OSDs: writes stop when it is full, recovery before that",
            )
        else:
            yield error(f"{one.code}: {one.message}", f"See `ceph health detail`; mend {one.code}")
    if cluster.unclean:
        states = ", ".join(f"{count} {state}" for state, count in cluster.unclean.items())
        yield error(
            f"placement groups are not active and clean: {states}",
            "Wait until they are (`ceph -s`): a copy that is missing now may be the last one later",
        )


def flags(cluster: Cluster) -> Iterator[Finding]:
    """Flags that others have set: we would not know whether to take them away."""
    if others := sorted(cluster.flags - OWN_FLAGS):
        yield error(
            f"flags are set: {_names(others)}",
            f"End what they were set for, then `ceph osd unset {others[0]}`",
        )
    for name, set_ in sorted(cluster.node_flags.items()):
        yield error(
            f"flags are set for {name}: {_names(set_)}",
            f"End what they were set for, then `ceph osd unset-group {','.join(set_)} {name}`",
        )


def replication(cluster: Cluster) -> Iterator[Finding]:
    """Pools that lose data, or stop, when one host is away."""
    for pool in (pool for pool in cluster.pools if not pool.erasure):
        if pool.size < 2:
            yield error(
                f"pool {pool.name} has one copy of its objects",
                f"Give it another: `ceph osd pool set {pool.name} size 2`, and wait until clean",
            )
        elif pool.size <= pool.min_size:
            yield error(
                f"pool {pool.name} stops when one of its {pool.size} copies is away "
                f"(min_size {pool.min_size})",
                f"`ceph osd pool set {pool.name} min_size {pool.size - 1}`, or a larger size",
            )
        if pool.domain not in APART:
            yield error(
                f"copies of pool {pool.name} may lie on one host: its rule chooses by "
                f"{pool.domain or 'nothing'}",
                "Give it a rule whose failure domain is host, and wait until clean",
            )


def osds(cluster: Cluster) -> Iterator[Finding]:
    """OSDs that do not run: of one that is out, too, the cluster does not complain."""
    if down := [f"osd.{osd.id}" for osd in cluster.osds if not osd.up]:
        yield error(
            f"OSDs are down: {_names(down)}",
            f"Start them, or take them out for good: `ceph osd purge {down[0]}`. Their host counts "
            "as back only with each that it had",
        )


def monitors(cluster: Cluster) -> Iterator[Finding]:
    """Monitors that are away, or do not speak both protocols: clients of either kind are stored."""
    names = {one.name for one in cluster.monitors}
    if away := sorted(names - cluster.quorum):
        yield error(
            f"monitors are not in the quorum: {_names(away)}",
            "Start them; one that is lost for good: `ceph mon rm NAME`, and take its host out of "
            "sidestep:ceph.monitors",
        )
    for one in cluster.monitors:
        if missing := sorted(PROTOCOLS - one.addresses.keys()):
            yield error(
                f"monitor {one.name} has no address of {_names(missing)}",
                "Let it speak both: `ceph mon enable-msgr2`, and `ms_bind_msgr1`",
            )
    if not cluster.manager:
        yield error("no manager is active", "Start one: what the cluster tells of itself is stale")


def versions(cluster: Cluster, release: int) -> Iterator[Finding]:
    """Daemons of one version, an upgrade that was finished, and a hop that Ceph allows.

    By what the daemons say they are: `ceph features`, and the warning OSD_UPGRADE_FINISHED, call
    OSDs of 16.2 "reef".
    """
    found = sorted({version for kind in CORE for version in cluster.versions.get(kind, {})})
    if len(found) != 1:
        yield error(
            f"daemons are of several versions: {_names(map(_text, found)) or 'none is known'}",
            "Finish the upgrade that was begun: `ceph versions` says which are which",
        )
        return
    number, told = found[0][0], _text(found[0])
    if not releases.may_follow(number, release):
        yield error(
            f"Ceph {told} cannot be joined by {release} ({releases.name(release)})",
            f"Go there by a release between: at most {releases.FARTHEST} releases at a time",
        )
    if cluster.require_osd_release != releases.name(number):
        yield error(
            f"its OSDs are {told}, and it requires only {cluster.require_osd_release}",
            f"Finish that upgrade: `ceph osd require-osd-release {releases.name(number)}`",
        )
    if cluster.min_monitor_release != number:
        yield error(
            f"its monitors are {told}, and their map is of {cluster.min_monitor_release}",
            "Finish that upgrade: restart the monitors one by one, see `ceph mon dump`",
        )


def moving(cluster: Cluster) -> Iterator[Finding]:
    """What moves data by itself, which looks like something of ours."""
    if scaled := [pool.name for pool in cluster.pools if pool.autoscale]:
        yield warning(
            f"groups of pools are split and merged by themselves: {_names(scaled)}",
            "`ceph osd pool set POOL pg_autoscale_mode warn` until all hosts have come over",
        )


def others(cluster: Cluster) -> Iterator[Finding]:
    """Daemons that stay as they are, as clients of the cluster."""
    if kinds := sorted(cluster.versions.keys() - KINDS):
        yield warning(
            f"daemons of other kinds stay where they are, of their release: {_names(kinds)}",
            "Have each host of theirs name the new monitors in its ceph.conf before the old ones "
            "leave, and renew them yourself once all OSDs have come over",
        )


def _text(version: Version) -> str:
    return ".".join(map(str, version))


def _names(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
