"""The cloud is over: a manager of the new release takes over, and the old monitors leave for good.

Each function is a step's: `manager.py`, `gateway.py` and `commit.py` by the stack's
hosts. Whom the operator has named on the command line is kept by `name_past`, for whatever has no
way back.
"""

from __future__ import annotations

from collections.abc import Collection

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.errors import IrreversibleError, UnreachableError
from migrate.onhost import call
from migrate.storage.ceph import (
    commit,
    gateway,
    manager,
    members,
    monitor,
    no_return,
    old_address,
    statistics,
)
from migrate.storage.ceph.monitor import standing

PAST, OFF = "ceph.past", "ceph.off"


def name_past(context: Context, names: Collection[str]) -> None:
    """Hosts that the operator has named: what is done to them may have no way back.

    Who names one of an old monitor that has left already says by it that it is off for good.
    """
    context.extras[PAST] = frozenset(names)
    context.extras[OFF] = frozenset(names if names and is_committed(context) else ())


def past(context: Context) -> frozenset[str]:
    """Those of this command."""
    named: frozenset[str] = context.extras.get(PAST, frozenset())
    return named


def is_active(context: Context) -> bool:
    """Whether a new manager is the active one, and the monitors have its word, or had it.

    After the removal of the old ones no other stands by, and an OSD that starts has none to wait
    for.
    """
    said = call(members.asks(context), "ceph.statistics", timeout=180)
    fresh = not statistics.why_stale(said)
    return said["manager"] in members.joining(context) and (fresh or bool(no_way_back(context)))


def activate(context: Context) -> None:
    """Let one of them take over; the old one stands by."""
    manager.activate(members.old(context), members.asks(context))


def hand_back(context: Context) -> None:
    """Let an old one take over; of hosts that are dead theirs went with them.

    Whose monitor alone is dead, and the quorum with it, leaves the map before: nobody would answer.
    """
    noted = hosts.living(members.news(context), lambda one: (one, call(one, "manager.noted")))
    for new in [one for one, made in noted if made]:
        old = members.old(context)
        monitor.leave_if_lost(old, new)
        manager.hand_back(old, new, but=members.joining(context))


def serve_alone(context: Context) -> bool:
    """Whether each old gateway that comes over rests, and its new one answers."""
    return all(gateway.serves_alone(*one) for one in _gateways(context))


def take_over(context: Context) -> None:
    """Let the new ones serve alone, each once an object came through it."""
    for old, new in _gateways(context):
        if not gateway.serves_alone(old, new):
            gateway.take_over(old, new)


def wake(context: Context) -> None:
    """Let the old ones serve again; where a monitor took the quorum with it, that leaves before."""
    for old, new in _gateways(context):
        monitor.leave_if_lost(members.old(context), new)
        gateway.hand_back(old, new)


def _gateways(context: Context) -> list[tuple[Host, Host]]:
    return [(old, context.named(name)) for name, old in members.gateways(context).items()]


def no_way_back(context: Context) -> str:
    """Why old monitors never come back, by whichever host answers; "" before that has begun."""
    names = no_return.removed(members.olds(context), members.news(context))
    return no_return.message(names) if names else ""


def stay(context: Context) -> None:
    """IrreversibleError once that has begun; before it there is nothing to undo."""
    if why := no_way_back(context):
        raise IrreversibleError(f"there is no way back: {why}")


def is_committed(context: Context) -> bool:
    """Whether the new monitors are alone, and no old one can start.

    One that is off was masked before it left the map. Once addresses move, they were alone.
    """
    if not no_way_back(context):
        return False
    olds, news, joining = members.olds(context), members.news(context), members.joining(context)
    begun = old_address.begun(news)
    try:
        return commit.are_retired(olds) if begun else commit.is_committed(olds, news)
    except UnreachableError:
        return begun or {one.name for one in standing(news[0]).monitors} == {*joining}


def take_addresses(context: Context) -> None:
    """Let new monitors take over the old ones' addresses: see `old_address.take`."""
    old_address.take(context, context.extras.get(OFF, ()))


def remove_old(context: Context) -> None:
    """Remove the old monitors: see `commit.commit`."""
    users = members.users(context)
    commit.commit(members.olds(context), members.news(context), users, past(context))
