"""The cluster beneath the cloud may be joined by the new release, or is another's to bring over."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from migrate.cloud import Context, hosts
from migrate.cloud.addresses import counterpart
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, info, warning
from migrate.errors import CommandError, PreconditionError, one_line
from migrate.onhost import call
from migrate.storage.ceph import (
    addresses,
    commit,
    conf,
    facts,
    gateway,
    joining,
    members,
    old_address,
    releases,
)
from migrate.storage.ceph.monitor import standing

MEND = "Correct sidestep:ceph of the stack file"
MOVE = "Move it to a host without OSDs before"


def run(context: Context) -> Iterator[Finding]:
    """All that forbids it; of a cluster without monitors in the stack file only that it is so."""
    if not members.moves(context):
        if context.settings.ceph.clients:
            yield info(
                "the cluster is another's: the target becomes its client, and none of its daemons "
                "is touched",
                "Name its old monitors in sidestep:ceph.monitors if they are to come over",
            )
        return
    old, those = members.old(context), members.olds(context)
    cluster = facts.read(old)
    yield from _named(context, cluster, those)
    yield from members.mixed(context)
    yield from _number(len(those), len(members.news(context)))
    if members.keeps(context):
        yield from old_address.foreseen(context)
    yield from _gateways(context, cluster)
    osd_hosts = [context.named(one) for one in context.settings.ceph.osd_hosts]
    yield from hosts.joined(osd_hosts, partial(_outlasts, context))
    whole = old.read(conf.PATH)
    those = members.news(context)
    yield from hosts.joined(those, lambda one: _joins(context, cluster, whole, one))
    yield from _files(context, old, whole)
    every = members.users(context)
    yield from _users(context, every, old)
    yield from _clients(context, every)
    yield from _balancer(old)


def _named(context: Context, cluster: facts.Cluster, those: list[Host]) -> Iterator[Finding]:
    """The stack file names all of the cluster, and nothing else."""
    names = hosts.gather(those, lambda one: standing(one).name)
    for one in (one for one, name in zip(those, names, strict=True) if not name):
        yield error("no monitor runs there", f"Start it, or {MEND.lower()}", one.name)
    ours = {*members.joining(context)}
    if others := sorted({one.name for one in cluster.monitors} - ours - {*names}):
        yield error(
            f"the cluster has monitors that ceph.monitors does not name: {', '.join(others)}",
            "Name the host of each: they leave together",
        )
    beside = {one for names in hosts.call_each(those, "retired.managers") for one in names}
    known = {cluster.manager, *cluster.standbys} - {""}
    if others := sorted(known - ours - beside):
        yield error(
            f"managers are on no host of ceph.monitors: {', '.join(others)}",
            "Have managers beside the monitors alone, and end these for good: no OSD comes over "
            "while one of the old release is left",
        )
    decided = {*context.settings.ceph.osd_hosts}
    if others := sorted(cluster.hosts - decided):
        yield error(
            f"OSDs are on hosts that ceph.osdHosts does not name: {', '.join(others)}",
            "Name each as `ceph osd tree` does: none is left of the old release",
        )
    if none := sorted(decided - cluster.hosts):
        yield error(f"`ceph osd tree` has no OSD on {', '.join(none)}", MEND)


def _number(before: int, after: int) -> Iterator[Finding]:
    try:
        commit.refuse_number(before, after)
    except PreconditionError as failure:
        yield error(str(failure), "Name one or three of the target's controllers in ceph.joins")
    total = before + after
    if total > 2:
        yield warning(
            f"until the old monitors leave there are {total}: the loss of {total - total // 2} at "
            "once stops the cluster, and the way back then waits until they are up",
            "Let the new controllers share no power supply and no switch, and `migrate settle "
            "--ceph` follow soon",
        )
    if before == after == 1:
        yield warning(
            "with one new monitor there are two until the old one leaves: the loss of either "
            "stops the cluster",
            "Have three controllers, or let `migrate settle --ceph` follow soon",
        )


def _users(context: Context, every: list[Host], old: Host) -> Iterator[Finding]:
    """Everyone reaches the new monitors; all other ceph.conf can be told of them."""
    ports = addresses.PORTS.values()
    at = [f"{new.address}:{port}" for new in members.news(context) for port in ports]
    if deaf := addresses.deaf(every, at, ("open", "refused")):
        yield error(
            f"{', '.join(deaf)} does not reach each of {', '.join(at)}, where new monitors will be",
            "Open the way from there: once the old ones have left it would find none",
        )
    users = [one for one in every if one is not old]
    for user, text in zip(users, hosts.gather(users, lambda one: one.read(conf.PATH)), strict=True):
        entries = conf.entries(text)
        if not entries:
            yield error(
                f"{conf.PATH} names no `mon host`",
                "Write the monitors' addresses there: where they are found otherwise (DNS), new "
                "ones are not",
                user.name,
            )
        elif named := [one for one in entries if not conf.is_address(one)]:
            yield warning(
                f"{conf.PATH} names monitors otherwise than by address: {', '.join(named)}",
                "It is left so, and new addresses come beside it: have the name lead to the new "
                "monitors once the old ones have left",
                user.name,
            )


def _clients(context: Context, every: list[Host]) -> Iterator[Finding]:
    """Hosts whose librbd is so old that nobody has shown it against the new daemons.

    By their packages: `ceph features` tells releases of clients no better than those of OSDs.
    """
    newest = max(hosts.call_each(members.news(context), "ceph.client"))
    for user, its in zip(every, hosts.call_each(every, "ceph.client"), strict=True):
        if its and its < newest and not releases.may_follow(its, newest):
            yield warning(
                f"its clients of Ceph are of {its} ({releases.name(its)}), and the new daemons of "
                f"{newest} ({releases.name(newest)}): that far apart they were not shown together",
                "Renew ceph-common and librbd1 there, and have its servers started anew or moved, "
                "before the old monitors leave",
                user.name,
            )


def _balancer(old: Host) -> Iterator[Finding]:
    try:
        mode = call(old, "ceph.balances")
    except CommandError as failure:
        yield warning(
            f"whether the balancer moves data cannot be asked: {one_line(failure)}",
            "See `ceph balancer status`",
            old.name,
        )
        return
    if mode:
        yield warning(
            f"the balancer moves data by itself ({mode}), and no host is begun until that is over",
            "`ceph balancer off` until all hosts have come over, then `ceph balancer on`",
        )


def _gateways(context: Context, cluster: facts.Cluster) -> Iterator[Finding]:
    come = members.gateways(context)
    if not come and cluster.versions.get("rgw"):
        yield warning(
            "object gateways stay where they are, of the release that they have",
            "Name their hosts in ceph.gateways, or move them yourself once all OSDs have come over",
        )
    for name, old in come.items():
        new = context.named(name)
        try:
            if not gateway.noted(new):
                gateway.judged(old, new)
        except PreconditionError as failure:
            yield error(str(failure), "Mend it, or leave it out of ceph.gateways")


def _outlasts(context: Context, host: Host) -> list[Finding]:
    """Whether a fresh system of *host* would find its OSDs, and whom it would not have."""
    try:
        call(host, "osds.here")
    except CommandError as failure:
        return [error(str(failure), "Have its data outlast the system, or others bring it over")]
    leave = ["ceph-mon@", "ceph-mgr@"]  # before any OSD comes over
    leave += ["ceph-radosgw@"] * (host.name in context.settings.ceph.gateways)
    others = [one for one in call(host, "osds.beside") if not one.startswith(tuple(leave))]
    return [
        error(f"{one} runs beside OSDs, and would go with the system", MOVE, host.name)
        for one in others
    ]


def _joins(context: Context, cluster: facts.Cluster, whole: str, new: Host) -> list[Finding]:
    """Whether *new* can have a monitor, by the file *whole*, and a manager, and may join."""
    found = [one for one in (call(new, f"{kind}.lacks") for kind in ("monitor", "manager")) if one]
    if found:
        return [error(one, "`pulumi up` installs it", new.name) for one in found]
    release = call(new, "ceph.release", "ceph-mon")
    wrong = list(joining.judged(context, cluster, release))
    try:
        conf.for_monitor(whole, new.name, new.address)
    except PreconditionError as failure:
        wrong.append(error(str(failure), "Mend it and check again"))
    return wrong


def _files(context: Context, old: Host, whole: str) -> Iterator[Finding]:
    """A controller that is client and monitor has one ceph.conf: the monitor's."""
    if not context.settings.ceph.clients:
        return
    for index, new in enumerate(context.target.controllers):
        source = counterpart(context, index)
        if new.name not in members.joining(context) or not source.exists(conf.PATH):
            continue
        if options := conf.lacking(whole, source.read(conf.PATH)):
            yield error(
                f"{conf.PATH} says {', '.join(options)}, and that of {old.name} does not, which "
                f"{new.name} gets with its monitor",
                f"Write the same into {conf.PATH} of {old.name}",
                source.name,
            )
