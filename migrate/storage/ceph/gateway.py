"""A gateway (radosgw) of the new release stands beside an old one, then serves alone; and back.

Two steps, of three functions each: is it done, do it, undo it. `old` is the host of an old gateway,
`new` a machine on which a monitor of the new release has joined. Both log in as the same user of
the cluster, so that its key and what the cluster's configuration says of it count for both. Who
calls which is not decided here: a proxy or an address stands before them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call
from migrate.storage.ceph import conf, releases

ANSWER_SECONDS, VISIT_SECONDS = 300, 400
EVERYWHERE = (None, "0.0.0.0", "[::]")  # noqa: S104  it is read, not bound
# those with TLS too, which have no "port" here
PLACE = re.compile(r"ssl_|port=(?P<port>\d+)$|endpoint=(?P<address>.+):(?P<at>\d+)$")


def stands_beside(old: Host, new: Host) -> bool:
    """Whether it answers, called from the old one's host, and comes back after a boot."""
    return bool(call(new, "gateway.made")) and _answers(old, new, _noted(new))


def stand_beside(old: Host, new: Host) -> None:
    """Make a gateway on *new* like that of *old*; what either is given the other gives out."""
    ours = _noted(new) or _begin(old, new)
    key = call(old, "ceph.run", "auth", "get", f"client.{ours['id']}")
    call(new, "gateway.make", key, _section(old, ours["id"]), timeout=120)
    _wait(old, new, ours)
    if wrong := _unlike(old, new, ours) or _visited(old, [old, new], ours):
        call(new, "gateway.quiet", timeout=60)  # nobody is served so
        raise StepError(f"{new.name}: its gateway does not serve as the old one does: {wrong}")


def leave(old: Host, new: Host) -> None:
    """Remove it; the old one serves before. UnreachableError when only the removal fails.

    Where the new machine is dead its monitor leaves first: without a quorum no gateway serves.
    """
    hand_back(old, new)
    call(old, "visitor.leave", timeout=180)
    call(new, "gateway.withdraw", timeout=60)


def serves_alone(old: Host, new: Host) -> bool:
    """Whether it stands, and the old one rests, also after a boot."""
    return bool(call(old, "gateway.resting")) and stands_beside(old, new)


def take_over(old: Host, new: Host) -> None:
    """End the old gateway, once an object came through the new one."""
    ours = _noted(new)
    if not ours or not stands_beside(old, new):
        raise PreconditionError(f"{new.name}: its gateway does not stand beside the old one")
    if wrong := _visited(old, [new], ours):
        raise PreconditionError(f"{new.name}: its gateway does not serve: {wrong}")
    call(old, "gateway.rest", ours, timeout=90)


def hand_back(old: Host, new: Host) -> None:
    """Let the old gateway serve again; what it is asked for then the new one has been given."""
    ours = call(old, "gateway.wake", timeout=90)
    if not ours:
        return
    _wait(old, old, ours)
    both = _answers(old, new, ours)
    if wrong := _visited(old, [old, new] if both else [old], ours):
        raise StepError(f"{old.name}: its gateway was started again and does not serve: {wrong}")
    call(old, "gateway.roused")


def port(frontends: str) -> int:
    """Where a gateway of these *frontends* listens; PreconditionError for what was never shown."""
    kind, *words = frontends.split()
    if kind != "beast":
        raise PreconditionError(
            f"the gateway's `rgw frontends` is {kind}, which releases from 17 on have not: let it "
            "be `beast port=...` in the old release first"
        )
    places = [found for one in words if (found := PLACE.match(one))]
    if len(places) != 1 or places[0][0] == "ssl_" or "," in frontends:
        raise PreconditionError(
            f"the gateway's `rgw frontends` are `{frontends}`: only one with a port and without "
            "TLS was shown; let a proxy before it end TLS"
        )
    address, number = places[0]["address"], places[0]["port"] or places[0]["at"]
    if address not in EVERYWHERE:
        raise PreconditionError(
            f"the gateway listens at {address} only, which is no address of another machine: let "
            f"`rgw frontends` name the port alone (`beast port={number}`)"
        )
    return int(number)


def unlike(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What the new gateway goes by otherwise, of all that either was told; "" if nothing."""
    told = sorted({*old["told"], *new["told"]})
    if gone := [one for one in told if one not in new["sums"]]:
        return f"its release has no {', '.join(gone)}: take them out of the old one's configuration"
    if other := [one for one in told if old["sums"].get(one) != new["sums"][one]]:
        return f"it goes by another {', '.join(other)}: see ceph.conf of both hosts"
    return ""


def noted(new: Host) -> bool:
    """Whether one was begun there."""
    return bool(_noted(new))


def judged(old: Host, new: Host) -> tuple[dict[str, Any], int]:
    """What the old one says of itself, and its port; PreconditionError unless one may come."""
    if lacking := call(new, "gateway.lacks"):
        raise PreconditionError(f"{new.name}: {lacking}")
    its: dict[str, Any] = call(old, "gateway.standing", timeout=120)
    if not its:
        raise PreconditionError(f"{old.name}: no gateway runs there as a unit `ceph-radosgw@...`")
    before, after = (call(one, "ceph.release", "radosgw") for one in (old, new))
    if not releases.may_follow(before, after):
        raise PreconditionError(
            f"{new.name}: its radosgw is of release {after}, and the old one of {before}: at most "
            f"{releases.FARTHEST} releases at a time"
        )
    at = port(its["frontends"])
    if len(zones := call(old, "gateway.zones", its["id"], its["keyring"], timeout=90)) > 1:
        raise PreconditionError(
            f"{old.name}: its gateway's zone shares its users' data with others "
            f"({', '.join(zones)}), and those know it by its address: move it by Ceph's own means"
        )
    conf.refuse_secrets(_section(old, its["id"]), old.name)
    return its, at


def _section(old: Host, id_: str) -> str:
    return conf.section(old.read(conf.PATH), f"client.{id_}")


def _begin(old: Host, new: Host) -> dict[str, Any]:
    its, at = judged(old, new)
    ours: dict[str, Any] = call(new, "gateway.begin", its["id"], its["keyring"], at)
    return ours


def _unlike(old: Host, new: Host, ours: Mapping[str, Any]) -> str:
    if call(old, "gateway.resting"):
        return ""  # compared before it went to rest
    was, now = (call(one, "gateway.settings", ours["id"]) for one in (old, new))
    return unlike(was, now)


def _visited(old: Host, through: list[Host], ours: Mapping[str, Any]) -> str:
    """What went wrong with objects of a user of ours, who asks from the host of the old one."""
    if call(old, "gateway.resting"):
        through = [one for one in through if one is not old]
    ats = [[one.address, ours["port"]] for one in through]
    login = ours["id"], ours["keyring"]
    wrong: str = call(old, "visitor.objects", *login, ats, timeout=VISIT_SECONDS)
    return wrong


def _wait(old: Host, at: Host, ours: Mapping[str, Any]) -> None:
    wait.until(
        lambda: _answers(old, at, ours),
        ANSWER_SECONDS,
        f"{at.name}: its gateway does not answer on port {ours['port']} after {ANSWER_SECONDS} s; "
        f"see `journalctl -u ceph-radosgw@{ours['id']}` there",
    )


def _answers(old: Host, at: Host, ours: Mapping[str, Any]) -> bool:
    return bool(call(old, "visitor.answers", [at.address, ours["port"]]))


def _noted(new: Host) -> dict[str, Any]:
    ours: dict[str, Any] = call(new, "gateway.noted")
    return ours
