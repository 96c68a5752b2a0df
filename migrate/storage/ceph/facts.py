"""A cluster as its own `ceph` tells it, typed: read by one call on a host that has a key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from migrate.cloud.host import Host
from migrate.errors import StepError
from migrate.onhost import call

CLEAN = {"active", "clean"}
HOUSEKEEPING = {"scrubbing", "deep", "snaptrim", "snaptrim_wait"}  # moves nothing
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One of the cluster's own health checks, e.g. "OSD_NEARFULL"."""

    code: str
    message: str
    muted: bool


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor of the map; `addresses` by protocol, e.g. {"v1": "10.0.0.1:6789"}."""

    name: str
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pool:
    """`domain` is what no two copies of an object share, e.g. "host"."""

    name: str
    erasure: bool
    size: int
    min_size: int
    domain: str
    autoscale: bool


@dataclass(frozen=True, slots=True)
class Osd:
    """`store` is how it keeps its data; `container` whether it runs in one."""

    id: int
    host: str
    up: bool
    version: Version
    store: str
    container: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """All that is asked before anything moves. `versions` counts daemons of each by kind."""

    fsid: str
    health: str
    complaints: tuple[Complaint, ...]
    monitors: tuple[Monitor, ...]
    quorum: frozenset[str]
    min_monitor_release: int
    versions: Mapping[str, Mapping[Version, int]]
    flags: frozenset[str]  # of the whole cluster
    node_flags: Mapping[str, tuple[str, ...]]  # of one host or OSD
    require_osd_release: str
    ratios: Mapping[str, float]  # "nearfull", "backfillfull", "full"
    pools: tuple[Pool, ...]
    osds: tuple[Osd, ...]
    unclean: Mapping[str, int]  # placement groups that are not active and clean, by state
    filesystems: tuple[str, ...]
    manager: str
    standbys: tuple[str, ...]
    modules: frozenset[str]  # of the manager, enabled

    @property
    def hosts(self) -> frozenset[str]:
        """Those with OSDs."""
        return frozenset(osd.host for osd in self.osds)


def read(host: Host) -> Cluster:
    """The cluster that *host* belongs to."""
    return parsed(call(host, "ceph.read", timeout=180))


def parsed(said: Mapping[str, Any]) -> Cluster:
    """What `onhost.ceph.read` was told; StepError for an answer that is not as we know them."""
    try:
        return _parsed(said)
    except (KeyError, TypeError, ValueError) as error:
        raise StepError(
            f"ceph answers otherwise than releases that this program knows ({error!r}): its "
            "cluster cannot be judged; report it with `ceph versions`"
        ) from error


def _parsed(said: Mapping[str, Any]) -> Cluster:
    status, osds, managers = said["status"], said["osds"], said["managers"]
    states = status["pgmap"].get("pgs_by_state", [])
    return Cluster(
        fsid=status["fsid"],
        health=said["health"]["status"],
        complaints=tuple(
            Complaint(code, one["summary"]["message"], bool(one.get("muted")))
            for code, one in said["health"]["checks"].items()
        ),
        monitors=tuple(map(monitor, said["quorum"]["monmap"]["mons"])),
        quorum=frozenset(said["quorum"]["quorum_names"]),
        min_monitor_release=said["quorum"]["monmap"]["min_mon_release"],
        versions={
            kind: {version(text): count for text, count in counts.items()}
            for kind, counts in said["versions"].items()
            if counts and kind != "overall"
        },
        flags=frozenset(osds["flags_set"]),
        node_flags={name: tuple(flags) for name, flags in osds["crush_node_flags"].items()},
        require_osd_release=osds["require_osd_release"],
        ratios={name: osds[f"{name}_ratio"] for name in ("nearfull", "backfillfull", "full")},
        pools=_pools(osds["pools"], said["rules"]),
        osds=_osds(said),
        unclean=unclean({one["state_name"]: one["count"] for one in states}),
        filesystems=tuple(one["name"] for one in said["filesystems"]),
        manager=managers["active_name"],
        standbys=tuple(one["name"] for one in managers["standbys"]),
        modules=frozenset(managers["modules"]),
    )


def monitor(said: Mapping[str, Any]) -> Monitor:
    """A monitor as monitors' maps have it."""
    addresses = said["public_addrs"]["addrvec"]
    return Monitor(said["name"], {one["type"]: one["addr"] for one in addresses})


def hosts_of(monitors: Iterable[Monitor]) -> set[str]:
    """Their addresses without protocol and port, as a ceph.conf may name them."""
    return {one.rpartition(":")[0] for known in monitors for one in known.addresses.values()}


def host_of(monitors: Iterable[Monitor], name: str) -> str:
    """That of the monitor *name*; "" where it is not among them."""
    return next(iter(sorted(hosts_of(one for one in monitors if one.name == name))), "")


def version(text: str) -> Version:
    """(16, 2, 15) of "ceph version 16.2.15 (...) pacific (stable)"."""
    found = re.match(r"ceph version (\d+(?:\.\d+)*)", text)
    if not found:
        raise ValueError(f"no version: {text}")
    return tuple(int(part) for part in found[1].split("."))


def unclean(groups: Mapping[str, int]) -> dict[str, int]:
    """Those states that are not active and clean, with how many are in each.

    A scrub leaves it so; but "active+clean+remapped" has copies where they do not belong.
    """
    return {
        state: count
        for state, count in groups.items()
        if set(state.split("+")) - HOUSEKEEPING != CLEAN
    }


def _pools(pools: list[Any], rules: list[Any]) -> tuple[Pool, ...]:
    domains = {rule["rule_id"]: _domain(rule["steps"]) for rule in rules}
    return tuple(
        Pool(
            name=one["pool_name"],
            erasure=one["type"] != 1,
            size=one["size"],
            min_size=one["min_size"],
            domain=domains[one["crush_rule"]],
            autoscale=one["pg_autoscale_mode"] == "on",
        )
        for one in pools
    )


def _domain(steps: list[Any]) -> str:
    """What the last choice of a rule chooses; copies may share all that stands below it."""
    chosen = [step["type"] for step in steps if step["op"].startswith("choose")]
    return str(chosen[-1]) if chosen else ""


def _osds(said: Mapping[str, Any]) -> tuple[Osd, ...]:
    about = {one["id"]: one for one in said["metadata"]}
    nodes = said["tree"]["nodes"]
    hosts = {id_: one["name"] for one in nodes if one["type"] == "host" for id_ in one["children"]}
    return tuple(
        Osd(
            id=one["osd"],
            host=hosts.get(one["osd"], ""),
            up=bool(one["up"]),
            # one that never ran has told nothing of itself
            version=version(about[one["osd"]].get("ceph_version", "ceph version 0")),
            store=about[one["osd"]].get("osd_objectstore", ""),
            container=about[one["osd"]].get("container_image", "") != "",
        )
        for one in said["osds"]["osds"]
    )
