"""Who is on which host as the plan goes on, and where each goes when its host has its turn."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from migrate.cloud.settings import Settle
from migrate.computes import needs, refusals
from migrate.computes.capacity import Capacity, Room
from migrate.computes.estimates import Action, Way
from migrate.computes.facts import ComputeHost, Facts, Kind, Server
from migrate.computes.needs import Needs
from migrate.computes.policy import ABOVE, Decision, Policy
from migrate.engine.finding import Finding

Reason = tuple[str, str]  # why not, and the remedy

BOUND = (
    "held by the other members of their affinity group",
    "stop and start them, or settle this host in place",
)
NO_ROOM = ("without room on any other host", refusals.MAKE_ROOM)
NO_CPU = ("not to be live-migrated: no other host has such a CPU and QEMU", ABOVE)
NO_HOST = ("without another host in their zone that has the traits and aggregates they ask", ABOVE)


class Planned(NamedTuple):
    """What becomes of one server; `to` is where it would go, `why` what is to be known of it."""

    server: Server
    action: Action
    to: str = ""
    why: str = ""


class Emptying:
    """Servers by host, each with what the policy says of it there."""

    def __init__(self, facts: Facts, settle: Settle, way: Way) -> None:
        self._way = way
        self._needs = {
            (flavor, booted): needs.of(flavor, volume_booted=booted)
            for flavor, booted in {(one.flavor, one.volume_booted) for one in facts.servers}
        }
        self._policy = Policy(way, settle, facts.projects)
        self._capacity = Capacity(facts, self._needs.values())
        self._on: dict[str, list[tuple[Server, Needs, Decision]]] = defaultdict(list)
        self._models = {
            self._needs[flavor, False].amounts
            for flavor in {one.flavor for one in facts.servers if one.is_model}
        }
        zones = {host.name: host.zone for host in facts.hosts}
        for server in facts.servers:
            if (zone := zones.get(server.host)) is not None:
                need = self._needs[server.flavor, server.volume_booted]
                self._on[server.host].append((server, need, self._policy.of(server, zone)))

    def shown(self) -> bool:
        """Whether a server that runs shows what a new one could be made of."""
        return bool(self._models)

    def has_room(self, host: ComputeHost) -> bool:
        """Whether a new server like one of those fits on *host* now."""
        room = self._capacity.rooms[host.name]
        return any(room.has(one) and room.may_ever(one) for one in self._models)

    def kinds(self, host: ComputeHost) -> Mapping[Kind, int]:
        """How many servers of each kind are on *host* now."""
        return Counter([server.kind for server, _, _ in self._on[host.name]])

    def refused(self, host: ComputeHost) -> list[Finding]:
        """What of the servers on *host* forbids to begin with it, whatever room there is."""
        wrong: dict[Reason, list[Server]] = defaultdict(list)
        for server, _, decision in self._on[host.name]:
            if decision.action is Action.REFUSED:
                wrong[decision.why, decision.remedy].append(server)
            elif server.group and decision.moves and self._capacity.bound(server):
                wrong[BOUND].append(server)
        return [refusals.of_servers(host, *why, servers) for why, servers in wrong.items()]

    def on_disk(self, host: ComputeHost) -> list[Finding]:
        """Servers whose disks must outlast a reinstall of *host*."""
        if self._way is Way.IN_PLACE:
            return []
        kept = [one for one, _, decision in self._on[host.name] if not decision.moves]
        kept = [one for one in kept if one.local_disk]
        return [refusals.of_disks(host, kept)] if kept else []

    def close(self, host: ComputeHost) -> None:
        """Let no servers come to *host*."""
        self._capacity.rooms[host.name].open = False

    def reopen(self, host: ComputeHost, *, renewed: bool) -> None:
        """Let them come again, if they could before."""
        self._capacity.reopen(self._capacity.rooms[host.name], renewed=renewed)

    def empty(self, host: ComputeHost) -> tuple[tuple[Planned, ...], list[Finding]]:
        """What becomes of each server of *host*; where one has no place, why, and all stay."""
        source = self._capacity.rooms[host.name]
        planned: list[Planned] = []
        places: list[Room | None] = []
        homeless: dict[Reason, list[Server]] = defaultdict(list)
        for server, need, (action, why, remedy, moves) in self._on[host.name]:
            room = None
            if action is Action.REFUSED:  # it has come here by this plan, where other rules hold
                homeless[why, remedy].append(server)
            elif not moves:
                planned.append(Planned(server, action, "", why))
            elif room := self._sent(server, need, source, live=action is Action.LIVE):
                planned.append(Planned(server, action, room.host.name, why))
            else:
                reason = self._reason(server, need, source, live=action is Action.LIVE)
                homeless[reason].append(server)
            places.append(room)
        if homeless:
            self._take_back(places, host)
            return (), [refusals.of_servers(host, *why, those) for why, those in homeless.items()]
        if self._way is Way.REINSTALL:
            self._arrive(places, host)
        return tuple(planned), []

    def _sent(self, server: Server, need: Needs, source: Room, *, live: bool) -> Room | None:
        group = server.group
        room = self._capacity.find(server, need, source, live=live)
        if room:
            room.put(need.amounts, group)
            source.take(need.amounts, group)
        return room

    def _take_back(self, places: list[Room | None], host: ComputeHost) -> None:
        source = self._capacity.rooms[host.name]
        for room, (server, need, _) in zip(places, self._on[host.name], strict=True):
            if room:
                room.take(need.amounts, server.group)
                source.put(need.amounts, server.group)
                self._capacity.widen(room)

    def _arrive(self, places: list[Room | None], host: ComputeHost) -> None:
        decided = self._on.pop(host.name, [])
        for room, known in zip(places, decided, strict=True):
            to = room.host if room else host
            if to.zone == host.zone:
                self._on[to.name].append(known)
            else:
                server, need, _ = known
                self._on[to.name].append((server, need, self._policy.of(server, to.zone)))

    def _reason(self, server: Server, need: Needs, source: Room, *, live: bool) -> Reason:
        if self._capacity.suitable(server, need, source, live=live):
            return NO_ROOM
        if live and self._capacity.suitable(server, need, source, live=False):
            return NO_CPU
        return NO_HOST
