"""The virtual IP from one host to another under calls and transfers that go on.

The order: the taker first knows what is its own; the giver from one instant on passes to it what
begins, and goes silent; the taker speaks. Two who speak would draw each other's packets. What had
begun on the giver is passed back to it until it has ended, and then all of this goes.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migrate.cloud import Context, hosts, wait
from migrate.cloud.host import Host
from migrate.cloud.hosts import call_each
from migrate.engine import state_directory
from migrate.errors import MigrateError, StepError
from migrate.onhost import call
from migrate.onhost.flows import GIVES, TAKES
from migrate.takeover.proxy import STAGED_KEEPALIVED

FILE = "transfers.json"
BACK_SECONDS = 3.0  # nobody is served meanwhile, and what goes on is about to be stopped
PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Way:
    """One virtual IP, and the two hosts between which it moves: `old` of the source."""

    address: str
    old: Host
    old_end: dict[str, str]  # {"device": ..., "own": ...}
    new_end: dict[str, str]

    def seen_from(self, mine: dict[str, str], other: dict[str, str]) -> dict[str, str]:
        """As programs on a host are told of it."""
        return {"address": self.address, **mine, "peer": other["own"]}


def ways(context: Context) -> list[Way]:
    """For each virtual IP that a source controller carries, or has given before.

    None where the target's holder is dead.
    """
    new, (wanted, preferred) = context.target.holder, _asked(context)
    told = call_each(context.source.controllers, "handing_over.carried_or_given", wanted)
    holders = [pair for pair in zip(context.source.controllers, told, strict=True) if pair[1]]
    if not holders or new.name in context.dead_targets:
        return []
    ends = call(new, "flows.ends", wanted, preferred, new.address)
    found = []
    for host, devices in holders:
        mine = call(host, "flows.ends", list(devices), devices, host.address)
        found += [Way(one, host, mine[one], ends[one]) for one in mine if one in ends]
    return found


def obstacles(context: Context, found: list[Way]) -> list[str]:
    """Why what is in flight could not live through the move, by host; [] when it does."""
    known = {way.address for way in found}
    wrong = [
        f"{one}: no two hosts are next to each other for it"
        for one in _asked(context)[0]
        if one not in known
    ]

    def ask(host: Host) -> Iterable[str]:
        seen = _of_old(found, host) if host != context.target.holder else _of_new(found)
        told = call(host, "flows.obstacle", seen) if seen else ""
        return [f"{host.name}: {told}"] if told else []

    return wrong + hosts.joined((*context.source.controllers, context.target.holder), ask)


def take_over(context: Context, found: list[Way]) -> None:
    """From the source to the target, in the only order that breaks nothing; safe to repeat."""
    new = context.target.holder
    call(new, "handing_over.prepare", _of_new(found), _near(context))
    givers = list({way.old.name: way.old for way in found}.values())
    # backups first: none of them may become master when the holder falls silent
    others = [host for host in context.source.controllers if host not in givers]
    call_each(others, "virtual_ip.release", _asked(context)[0])
    for host in givers:
        call(host, "handing_over.give", _of_old(found, host), [], True)
    prefixes = {str(one.address): one.prefix for one in context.source.virtual_ips}
    given = [
        {"address": way.address, "prefix": prefixes[way.address], "device": way.new_end["device"]}
        for way in found
    ]
    call(new, "virtual_ip.take", given)


def hand_back(context: Context, found: list[Way]) -> None:
    """The same with the roles exchanged; keepalived of the target does not take it again."""
    for host in {way.old.name: way.old for way in found}.values():
        call(host, "flows.install", TAKES, _of_old(found, host), [])
    new = context.target.holder
    call(new, "handing_over.give_back", STAGED_KEEPALIVED, _of_new(found), _near(context))


def standing(context: Context) -> list[str]:
    """Where anything of it is still, by host."""
    everybody = (*context.source.controllers, *context.target.controllers)
    told = call_each(everybody, "handing_over.at_work")
    return [host.name for host, one in zip(everybody, told, strict=True) if one]


def settle(context: Context) -> None:
    """Wait for what goes on, to a limit; end the rest, count it, and take all of this away."""
    wanted, _ = _asked(context)
    began, most = time.monotonic(), 0

    def left() -> list[str]:
        nonlocal most
        found = hosts.joined(
            context.source.controllers, lambda host: call(host, "flows.left", wanted)
        )
        most = max(most, len(found))
        return found

    def sleep(seconds: float) -> None:
        if context.run is None:
            time.sleep(seconds)
        elif context.run.interrupted.wait(seconds):
            raise StepError("interrupted")

    cut = wait.while_any(left, context.settings.window.transfer_seconds, PAUSE, sleep)
    call_each(context.source.controllers, "handing_over.forget_given", wanted)
    call(context.target.holder, "flows.remove")
    document = {"most": most, "cut": cut, "seconds": round(time.monotonic() - began, 1)}
    state_directory.record(context.home / FILE, document)


def settle_back(context: Context, *, waits: bool) -> None:
    """The same on the way back, where nothing is worth a long wait."""
    new, (wanted, _) = context.target.holder, _asked(context)
    if waits:
        wait.while_any(lambda: call(new, "flows.left", wanted), BACK_SECONDS, PAUSE)
    if new.name not in context.dead_targets:
        call(new, "flows.remove")
    call_each(context.source.controllers, "flows.remove")


def told(context: Context) -> str:
    """What became of what was in flight, for people; "" where nothing was."""
    found = state_directory.recorded(context.home / FILE)
    if not found.get("most"):
        return ""
    cut = f", {len(found['cut'])} were cut" if found["cut"] else ""
    return f"{found['most']} connection(s) went on at the old address for {found['seconds']} s{cut}"


def given(context: Context) -> bool:
    """Whether a source controller passes to the target what begins at any of the addresses."""
    for host in context.source.controllers:
        try:
            if call(host, "flows.standing") == GIVES:
                return True
        except MigrateError:
            continue  # who is silent passes nothing on
    return False


def _near(context: Context) -> list[str]:
    """Addresses of the target's other controllers, which reach its holder alone."""
    others = [one for one in context.target.controllers if one != context.target.holder]
    return sorted(
        {one for own in call_each(others, "addresses.own") for one in own if ":" not in one}
    )


def _asked(context: Context) -> tuple[list[str], dict[str, str]]:
    every = context.source.virtual_ips
    return [str(one.address) for one in every], {str(one.address): one.interface for one in every}


def _of_new(found: list[Way]) -> list[Any]:
    return [way.seen_from(way.new_end, way.old_end) for way in found]


def _of_old(found: list[Way], host: Host) -> list[Any]:
    return [way.seen_from(way.old_end, way.new_end) for way in found if way.old == host]
