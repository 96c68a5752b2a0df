"""A monitor of the new release joins the old quorum, and leaves it again without a loss.

Each of the three functions is a step's: is it done, do it, undo it. `old` is the host of a monitor
of the source, `new` a machine of the new release, whose name is the monitor's id, too. While both
serve, what is written is in both stores; the way back is open as long as the old monitors are in
the map. A copy of an old store, instead, would be a second history: started again after the first
went on, it gives snapshot ids a second time, and data is lost without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.errors import (
    CommandError,
    PreconditionError,
    RefusedError,
    StepError,
    UnreachableError,
)
from migrate.onhost import call
from migrate.storage.ceph import conf, no_return, releases
from migrate.storage.ceph.facts import Monitor, monitor
from migrate.storage.ceph.findings import PROTOCOLS

JOIN_SECONDS, SETTLE_SECONDS = 300, 180
ELECTION_SECONDS = 30  # without a quorum so long there will be none


@dataclass(frozen=True, slots=True)
class Standing:
    """What the old monitor says of the quorum; `name` is its own, "" while it does not run."""

    name: str
    quorum: frozenset[str]
    monitors: tuple[Monitor, ...]
    release: int  # the least that a monitor must be of to join

    def has(self, name: str) -> bool:
        """Whether *name* is in the map."""
        return any(one.name == name for one in self.monitors)


NOTHING = Standing("", frozenset(), (), 0)


def standing(old: Host) -> Standing:
    """Asked of the monitor itself: `ceph` says nothing while there is no quorum."""
    said: dict[str, Any] = call(old, "monitor.standing")
    if not said:
        return NOTHING
    monitors = tuple(map(monitor, said["map"]["mons"]))
    release = said["map"]["min_mon_release"]
    return Standing(said["id"], frozenset(said["quorum"]), monitors, release)


def joined(old: Host, new: Host) -> bool:
    """Whether it is in the quorum, at both protocols' addresses, and comes back after a boot."""
    now = standing(old)
    serves = any(one.name == new.name and one.addresses.keys() >= PROTOCOLS for one in now.monitors)
    return serves and new.name in now.quorum and bool(call(new, "monitor.made", new.name))


def join(old: Host, new: Host) -> None:
    """Make a monitor on *new* from the map that *old* has now, and wait for it in the quorum."""
    now = standing(old)
    if not now.quorum:
        raise PreconditionError(f"{old.name}: its monitor has no quorum: mend that first")
    _refuse(now, new)
    invited = call(old, "monitor.invitation", timeout=120)
    text = conf.for_monitor(invited["conf"], new.name, new.address)
    call(new, "monitor.make", new.name, text, invited, timeout=120)
    wait.until(
        lambda: joined(old, new),
        JOIN_SECONDS,
        f"{new.name}: its monitor is not in the quorum after {JOIN_SECONDS} s; see "
        f"`journalctl -u ceph-mon@{new.name}` there",
    )


def leave(old: Host, new: Host) -> None:
    """Take it out of the map, then remove it from *new*; UnreachableError when only that fails.

    With one old monitor the loss of the new one is the loss of the quorum: then it is taken out of
    the old one's own store.
    """
    leave_map(old, new)
    call(new, "monitor.withdraw", timeout=120)


def leave_map(old: Host, new: Host) -> None:
    """`leave` without what is on *new*: that of a dead one goes with its machine."""
    no_return.refuse(old, new)
    if wait.while_any(lambda: not _left(old, new), ELECTION_SECONDS, pause=1):
        _expel(old, new)


def leave_if_lost(old: Host, new: Host) -> None:
    """Take it out of the map where there is no quorum; what it has on *new* stays."""
    if wait.while_any(lambda: not _quorum(old, new), ELECTION_SECONDS, pause=1):
        no_return.refuse(old, new)
        _expel(old, new)


def _quorum(old: Host, new: Host) -> frozenset[str]:
    """As either says: an old one that is down is no quorum that is lost."""
    if found := standing(old).quorum:
        return found
    return _if_alive(new).quorum


def _if_alive(new: Host) -> Standing:
    try:
        return standing(new)
    except UnreachableError:
        return NOTHING


def _expel(old: Host, new: Host) -> None:
    _refuse_others(old, new)
    _silence(new)  # it may come up meanwhile, and would be half of a quorum
    call(old, "monitor.expel", new.name, timeout=120)
    wait.until(
        lambda: _alone(standing(old), new.name),
        SETTLE_SECONDS,
        f"{old.name}: its monitor has no quorum without {new.name}; see `ceph -s`",
    )


def _left(old: Host, new: Host) -> bool:
    """Whether it has left, asking for it where there is a quorum to ask.

    Ceph answers before it has done it, and one that died just now is missed seconds later.
    """
    now = standing(old)
    if now.quorum and now.has(new.name):
        try:
            call(old, "monitor.remove", new.name, timeout=120)
        except CommandError:
            if standing(old).quorum:
                raise
        return False
    return _alone(now, new.name)


def _alone(now: Standing, name: str) -> bool:
    return bool(now.quorum) and not now.has(name) and name not in now.quorum


def refuse_lacking(new: Host) -> None:
    """PreconditionError where *new* has not what a monitor needs."""
    if lacking := call(new, "monitor.lacks"):
        raise PreconditionError(f"{new.name}: {lacking}")


def _refuse(now: Standing, new: Host) -> None:
    """PreconditionError unless a monitor of *new* may join; nothing was touched."""
    refuse_lacking(new)
    release = call(new, "ceph.release", "ceph-mon")
    if not releases.may_follow(now.release, release):
        raise PreconditionError(
            f"{new.name}: its ceph-mon is of release {release}, and the quorum of {now.release}: "
            f"at most {releases.FARTHEST} releases at a time"
        )
    for one in now.monitors:
        if one.name == new.name and not call(new, "monitor.noted"):
            raise PreconditionError(
                f"{new.name}: a monitor of that name is in the map, at "
                f"{', '.join(one.addresses.values())}: give the machine another name"
            )


def _refuse_others(old: Host, new: Host) -> None:
    """StepError when others of the map may still have confirmed what *old* does not know."""
    now = standing(old)
    known = now.monitors or _if_alive(new).monitors  # one that is down says neither its own name
    others = {one.name for one in known} - {now.name, new.name}
    if len(others) > (not now.name):
        raise StepError(
            f"{old.name}: there is no quorum, and the map has {', '.join(sorted(others))} too: "
            "start those monitors, then the same again. If they are lost for good, see `Removing "
            "Monitors from an Unhealthy Cluster` of Ceph's documentation, with the store of one "
            "that was in the last quorum"
        )


def _silence(new: Host) -> None:
    try:
        call(new, "monitor.quiet")
    except RefusedError as error:
        raise StepError(
            f"{new.name} lives and does not let us in, and its monitor may come back to the "
            f"quorum: mend its ssh, or switch it off ({error})"
        ) from error
    except UnreachableError:
        pass  # dead: what it had confirmed the old one has, too
