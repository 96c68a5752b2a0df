"""The old monitors leave for good: the point of no return of a cluster's monitors.

Asked for by the names of their hosts. They leave the map while both sides are in the quorum, and
never start again (`onhost/retired.py`). What a cluster requires of its OSDs is not touched: that is
the last step of all, judged by what each daemon says of itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from migrate.cloud import hosts, wait
from migrate.cloud.host import Host
from migrate.engine import finding
from migrate.errors import IrreversibleError, PreconditionError, StepError
from migrate.onhost import call
from migrate.storage.ceph import addresses, facts, findings, no_return, statistics
from migrate.storage.ceph.monitor import standing

QUORUM_SECONDS = 300


def is_committed(olds: Sequence[Host], news: Sequence[Host]) -> bool:
    """Whether the new monitors alone are in the map and the quorum, and no old one can start."""
    now = standing(news[0])
    names = {one.name for one in news}
    alone = now.quorum == names == {one.name for one in now.monitors}
    return alone and are_retired(olds)


def are_retired(olds: Sequence[Host]) -> bool:
    """Whether no old one can start."""
    return all(hosts.gather(olds, lambda one: call(one, "retired.is_so")))


def commit(
    olds: Sequence[Host], news: Sequence[Host], users: Collection[Host], past: Collection[str]
) -> None:
    """Remove the monitors of *olds*; *past* names their hosts, *users* is who has a ceph.conf.

    IrreversibleError, and nothing is begun, until *past* names each of them.
    """
    if unnamed := [one.name for one in olds if one.name not in past]:
        raise IrreversibleError(
            f"from the removal of the monitor of {', '.join(unnamed)} on there is no way back for "
            f"monitors and managers: name it (`--past {unnamed[0]}`)"
        )
    ids = {one.name: _id(one) for one in olds}
    noted = call(news[0], "record.load", no_return.NOTE) or {}
    if not any(hosts.gather(olds, lambda one: bool(call(one, "retired.noted")))):
        _refuse(olds, news, users, ids)
    going = [one for one in standing(news[0]).monitors if one.name in ids.values()]
    of = {host: at for host, id_ in ids.items() if (at := facts.host_of(going, id_))}
    note = {
        "removed": sorted({*noted.get("removed", []), *ids.values()}),
        "addresses": sorted({*noted.get("addresses", []), *facts.hosts_of(going)}),
        "of": {**noted.get("of", {}), **of},
    }
    hosts.gather(news, lambda one: call(one, "record.save", no_return.NOTE, note))
    for old in olds:
        _remove(old, ids[old.name], news)
    if not is_committed(olds, news):
        raise StepError(
            f"{news[0].name}: the old monitors were removed and the quorum is not whole"
        )


def smallest(before: int) -> int:
    """How many new monitors may follow *before* old ones: as many may die, and never two.

    Two are worse than one: the loss of either stops the cluster. One follows one alone, which is no
    less than there was; whoever has more gets three or more.
    """
    return before if before % 2 else before - 1


def refuse_number(before: int, after: int) -> None:
    """PreconditionError where so few would be left."""
    least = smallest(before)
    if after == 2 or after < least:
        raise PreconditionError(
            f"{after} monitors would be left of {before} old ones, and "
            f"{'the loss of either of two stops the cluster' if after == 2 else 'fewer may die'}: "
            f"let {least if after < least else 3} new ones join before"
        )


def _id(old: Host) -> str:
    """The monitor of *old*, which may be removed already."""
    noted: str = call(old, "retired.noted").get("monitor", "") or standing(old).name
    if not noted:
        raise PreconditionError(
            f"{old.name}: no monitor runs there: start it, or name its host no more"
        )
    return noted


def _refuse(
    olds: Sequence[Host], news: Sequence[Host], users: Collection[Host], ids: dict[str, str]
) -> None:
    """PreconditionError unless the new side can go on alone; nothing was touched."""
    now, names = standing(news[0]), {one.name for one in news}
    known = {one.name for one in now.monitors}
    if away := sorted((known | names) - now.quorum):
        raise PreconditionError(
            f"monitors are not in the quorum: {', '.join(away)}: mend that first"
        )
    if others := sorted(known - names - set(ids.values())):
        raise PreconditionError(
            f"the map has other monitors: {', '.join(others)}: remove those too, or none"
        )
    refuse_number(len(olds), len(news))
    for old in olds:
        if why := call(old, "retired.unmovable", ids[old.name]):
            raise PreconditionError(f"{old.name}: {why}")
    if untold := addresses.untold(users, news):
        raise PreconditionError(
            f"{', '.join(untold)} would find no monitor after a boot: its ceph.conf does not name "
            "the new ones"
        )
    at = [place for one in now.monitors if one.name in names for place in one.addresses.values()]
    if deaf := addresses.deaf(users, at):
        raise PreconditionError(
            f"{', '.join(deaf)} does not reach each of {', '.join(at)}, where new monitors are, "
            "and would find none: open the way from there"
        )
    statistics.wait_until_fresh(news[0])
    cluster = facts.read(news[0])
    if cluster.manager not in names:
        raise PreconditionError(
            f"the active manager is {cluster.manager or 'nobody'}: let one of the new release "
            "take over before"
        )
    finding.refuse(findings.well(cluster))


def _remove(old: Host, id_: str, news: Sequence[Host]) -> None:
    """Out of the map, then out of reach of whoever would start it again."""
    now = standing(news[0])
    if now.has(id_) or not now.quorum:
        if now.quorum and (away := sorted({one.name for one in news} - now.quorum)):
            raise PreconditionError(
                f"monitors are not in the quorum: {', '.join(away)}: start them, since without "
                f"that of {old.name} there might be none; then the same again"
            )
        call(old, "retired.poise", id_, timeout=120)
        wait.until(
            lambda: _gone(id_, news[0]),
            QUORUM_SECONDS,
            f"{old.name}: its monitor does not leave the map; see `ceph -s` on {news[0].name}. "
            "The same again goes on",
        )
    call(old, "retired.retire", timeout=120)


def _gone(id_: str, new: Host) -> bool:
    """Whether it has left, asking for it where there is a quorum to ask."""
    now = standing(new)
    if now.quorum and now.has(id_):
        call(new, "monitor.remove", id_, timeout=120)
        return False
    return bool(now.quorum)
