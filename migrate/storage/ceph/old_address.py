"""The new monitors take over the addresses of the old ones, right after these have left.

Whoever names an old address then finds a monitor again: ceph.conf, attachments, domains of servers.
Who runs looks for monitors by the map that it was told last, and nowhere else: so none changes its
address under it. One joins at the old address before the one at the new address leaves. Where
there is one alone, that is another one beside it, which then gets its name. Of several each leaves
and joins again, while the others serve. The order of `ceph.monitors` and of `ceph.joins` says whose
address goes where. There is no way back: it is gone on with, and what stands tells how far it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial

from migrate.cloud import Context, hosts, wait
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, warning
from migrate.errors import (
    CommandError,
    PreconditionError,
    RefusedError,
    StepError,
    UnreachableError,
)
from migrate.onhost import call
from migrate.storage.ceph import addresses, conf, facts, members, no_return
from migrate.storage.ceph.addresses import PORTS
from migrate.storage.ceph.findings import PROTOCOLS
from migrate.storage.ceph.monitor import Standing, standing

NOTE = "ceph-address"  # on the machines of new monitors, noted before any address moves
BESIDE = "ceph-monitor-beside"  # as `onhost.monitor` notes the other one
JOIN_SECONDS, LEAVE_SECONDS = 300, 300
LEARN_SECONDS = 5.0  # who connects again just now is told the map, too
ASK_SECONDS = 1.0
ENDED = {"ceph-mon", "ceph-mgr"}  # with the old monitor
ELSE = "or have clients told of new addresses: sidestep:ceph.addresses: new"


def foreseen(context: Context) -> Iterator[Finding]:
    """What forbids it whatever runs on the old hosts, known before anything joins."""
    olds, news = members.olds(context), members.news(context)
    if len(olds) != len(news):
        yield error(
            f"{len(olds)} old monitors have an address, and {len(news)} new ones would take one",
            f"Name as many hosts in ceph.monitors as in ceph.joins, {ELSE}",
        )
        return
    for old, new in zip(olds, news, strict=True):
        yield from _foreseen(context, old, new)


def findings(context: Context) -> Iterator[Finding]:
    """What forbids it, asked before the old monitors leave."""
    yield from foreseen(context)
    for old, new in zip(members.olds(context), members.news(context), strict=False):
        address = _address(standing(old))
        if address and ":" not in address:
            yield from _missed(old, new, address)


def _address(now: Standing) -> str:
    return facts.host_of(now.monitors, now.name)


def _foreseen(context: Context, old: Host, new: Host) -> Iterator[Finding]:
    now = standing(old)
    address = _address(now)
    virtual = {str(one.address) for one in context.source.virtual_ips}
    if not address or ":" in address:
        told = f"its monitor has {address}, no IPv4 address" if address else "no monitor runs there"
        yield error(told, f"Mend that, {ELSE}", old.name)
        return
    if address == old.address:
        yield error(
            f"it is reached by ssh at {address}, which its monitor's successor takes over",
            f"Give the stack's file another address of that host, {ELSE}",
            old.name,
        )
    if address in virtual:
        yield error(f"{address} is a virtual IP, which moves otherwise", ELSE, old.name)
    its = [at for one in now.monitors if one.name == now.name for at in one.addresses.items()]
    if other := [at for protocol, at in its if at != f"{address}:{PORTS[protocol]}"]:
        yield error(
            f"its monitor listens at {', '.join(other)}, and its successor would at ports "
            f"{' and '.join(map(str, PORTS.values()))}: who knows the old ones finds nobody",
            f"Let it listen at those before, {ELSE}",
            old.name,
        )
    if not call(new, "moved_address.place", address):
        told = f"no interface is in the network of {address}, which it takes over from {old.name}"
        yield error(told, f"Give it an address there, {ELSE}", new.name)


def _missed(old: Host, new: Host, address: str) -> Iterator[Finding]:
    """Who would miss it on its old host, as things are now."""
    there = call(old, "moved_address.standing", address)
    if not there["devices"]:
        yield error(f"{address} is on no interface", f"Mend that, {ELSE}", old.name)
    if users := sorted({*there["at"], *there["from"]} - ENDED - {"radosgw"}):
        yield error(
            f"{', '.join(users)} would lose {address}",
            f"Move or end them before, or let them use another address, {ELSE}",
            old.name,
        )
    if there["routes"]:
        told = f"routes leave from {address}: {', '.join(there['routes'])}"
        yield error(told, f"Let them leave from another address, {ELSE}", old.name)
    if others := sorted({*there["everywhere"]} - ENDED):
        yield warning(
            f"{', '.join(others)} listen at every address: who calls them at {address} finds "
            f"{new.name} from then on",
            "Call them at another address of that host",
            old.name,
        )


def begun(news: Collection[Host]) -> bool:
    """Whether an address may have moved: from then on the map has other names for a while."""
    return any(hosts.living(news, lambda one: bool(call(one, "record.load", NOTE))))


def taken(context: Context) -> bool:
    """Whether each new monitor is in the quorum at an old address, which its old host gave up."""
    news, of = members.news(context), _addresses(context)
    now = standing(news[0])
    whole = {one.name for one in news} == now.quorum == {one.name for one in now.monitors}
    pairs = zip(members.olds(context), news, strict=False)
    return whole and all(
        old.name in of
        and _is_at(now, new, of[old.name])
        and call(new, "moved_address.carried", of[old.name])
        and _has_given(old, of[old.name])
        for old, new in pairs
    )


def take(context: Context, off: Collection[str] = ()) -> None:
    """Let them have these, one after the other; hosts of *off* are dead and never start again."""
    olds, news, of = members.olds(context), members.news(context), _addresses(context)
    if len(olds) != len(news) or not {one.name for one in olds} <= of.keys():
        raise PreconditionError(
            f"{len(news)} new monitors would take over addresses of old ones, and known are those "
            f"on {', '.join(sorted(of)) or 'no host'}: let new ones stay, "
            "sidestep:ceph.addresses: new"
        )
    hosts.gather(news, lambda one: call(one, "record.save", NOTE, of))
    every = members.users(context)
    for old, new in zip(olds, news, strict=True):
        address = of[old.name]
        users = [one for one in every if one.name != new.name]
        if not (_has_given(old, address) and call(new, "moved_address.carried", address)):
            _move(old, new, address, off)
        if not _is_at(standing(new), new, address):
            others = [one for one in news if one is not new]
            if others:
                _join_again(new, address, others)
            else:
                _replace(new, address, users)
        _await(new, partial(_serves, new, address), f"has no quorum at {address}")
        _prove(users, address)  # of several the next may leave now


def _move(old: Host, new: Host, address: str, off: Collection[str]) -> None:
    """From that host to this one; nobody else may answer for it."""
    try:
        call(old, "moved_address.give_up", address)
    except RefusedError:
        raise
    except UnreachableError as error:
        if old.name not in off:  # it would have the address again after a boot
            raise StepError(
                f"{old.name} does not answer and has not given {address} up: start it, then the "
                f"same again; if it is switched off for good, the same with `--past {old.name}`"
            ) from error
    where = call(new, "moved_address.place", address)
    if not where:
        raise PreconditionError(f"{new.name}: no interface is in the network of {address}")
    if others := call(new, "arp.ask", where["device"], address, ASK_SECONDS):
        raise StepError(
            f"{', '.join(others)} answers for {address} too, which {old.name} gave up: take it "
            "from there, then the same again"
        )
    units = [f"ceph-mon@{name}.service" for name in (new.name, _beside(new))]
    call(new, "moved_address.carry", address, units)


def _replace(new: Host, address: str, users: Collection[Host]) -> None:
    """Of one alone: another joins beside it, it leaves, and the other gets its name."""
    beside = _beside(new)
    own = conf.without_monitor(new.read(conf.PATH), beside)
    if not _is_left(new):
        invited = call(new, "monitor.invitation", timeout=120)
        text = conf.with_monitor(own, beside, address)
        call(new, "monitor.make_beside", beside, text, invited, timeout=120)
        _await(new, lambda: beside in standing(new).quorum, f"does not join at {address}")
        _prove(users, address)
        _leave(new, new)
    both = ",".join(f"{protocol}:{address}:{port}" for protocol, port in PORTS.items())
    text = conf.with_monitor(own, new.name, address)
    call(new, "monitor.succeed", beside, new.name, text, f"[{both}]", timeout=180)


def _is_left(new: Host) -> bool:
    """Whether the other one serves alone, or was to when it was ended."""
    now = standing(new)
    if now.name or call(new, "record.load", BESIDE):
        return {one.name for one in now.monitors} <= {_beside(new)}
    raise PreconditionError(f"{new.name}: no monitor runs there: start it, then the same again")


def _join_again(new: Host, address: str, others: list[Host]) -> None:
    """Of several: it leaves and joins again, while all others serve."""
    names = {one.name for one in others}

    def lacking() -> list[str]:  # for some seconds in each election
        return sorted(names - standing(others[0]).quorum)

    if away := wait.while_any(lacking, JOIN_SECONDS / 10, pause=1):
        raise PreconditionError(
            f"monitors are not in the quorum: {', '.join(away)}: start them, since without that "
            f"of {new.name} there might be none; then the same again"
        )
    call(new, "monitor.quiet")
    _leave(others[0], new)
    invited = call(others[0], "monitor.invitation", timeout=120)
    text = conf.with_monitor(new.read(conf.PATH), new.name, address)
    call(new, "monitor.make_again", new.name, text, invited, timeout=120)


def _leave(asks: Host, new: Host) -> None:
    """Out of the map; who was told of the others only now has heard of them."""
    time.sleep(LEARN_SECONDS)

    def out() -> bool:
        now = standing(asks)
        if now.quorum and now.has(new.name):
            with suppress(CommandError):  # whoever answers may be the one that leaves
                call(asks, "monitor.remove", new.name, timeout=120)
            return False
        return bool(now.quorum)

    wait.until(
        out, LEAVE_SECONDS, f"{new.name}: its monitor does not leave the map; see `ceph -s` there"
    )


def _prove(users: Collection[Host], address: str) -> None:
    """StepError where one of *users* would not find the monitor that it is about to need."""
    deaf = partial(addresses.deaf, users, [f"{address}:{port}" for port in PORTS.values()])
    if silent := wait.while_any(deaf, JOIN_SECONDS / 10, pause=1):
        raise StepError(
            f"{', '.join(silent)} does not reach {address} on ports "
            f"{' and '.join(map(str, PORTS.values()))}: mend that, then the same again"
        )


def _await(new: Host, condition: Callable[[], bool], what: str) -> None:
    wait.until(
        condition,
        JOIN_SECONDS,
        f"{new.name}: its monitor {what}; see `journalctl -u 'ceph-mon@*'` there. The same again "
        "goes on",
    )


def _serves(new: Host, address: str) -> bool:
    now = standing(new)
    return new.name in now.quorum and _is_at(now, new, address)


def _is_at(now: Standing, new: Host, address: str) -> bool:
    """Whether the map has it there, by both protocols."""
    its = [
        one for one in now.monitors if one.name == new.name and one.addresses.keys() >= PROTOCOLS
    ]
    return facts.hosts_of(its) == {address}


def _has_given(old: Host, address: str) -> bool:
    """One that is off has, where the new one has it already: it was taken from it before."""
    try:
        return bool(call(old, "moved_address.given", address))
    except UnreachableError:
        return True


def _addresses(context: Context) -> dict[str, str]:
    """Of each old monitor by its host, as was noted when they were removed."""
    noted = call(members.asks(context), "record.load", no_return.NOTE) or {}
    return {**noted.get("of", {})}


def _beside(new: Host) -> str:
    return f"{new.name}-beside"
