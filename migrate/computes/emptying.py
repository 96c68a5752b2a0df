"""Who is on which host as the plan goes on, and where each goes when its host has its turn."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import repeat
from typing import NamedTuple

from migrate.cloud.settings import Settle
from migrate.computes import needs, refusals
from migrate.computes.capacity import Capacity, Room
from migrate.computes.estimates import Action, Way
from migrate.computes.facts import ComputeHost, Facts, Kind, Server
from migrate.computes.likeness import Demand
from migrate.computes.policy import ABOVE, Decision, Policy
from migrate.computes.sorts import Sort, Sorts
from migrate.engine.finding import Finding

Reason = tuple[str, str]  # why not, and the remedy

BOUND = (
    "held by the other members of their affinity group",
    "stop and start them, or settle this host in place",
)
NO_ROOM = ("without room on any other host", refusals.MAKE_ROOM)
NO_CPU = ("not to be live-migrated: no other host has such a CPU and QEMU", ABOVE)
AWAITED = Decision(Action.STAYS, "in the middle of an operation, which is waited for")
NO_HOST = ("without another host in their zone that has the traits and aggregates they ask", ABOVE)


Sorted = dict[Sort, list[Server]]
Moved = tuple[Sort, list[Room]]  # where each has a place


class Planned(NamedTuple):
    """What becomes of one server; `to` is where it would go, `why` what is to be known of it."""

    server: Server
    action: Action
    to: str = ""
    why: str = ""
    home: bool = False  # it comes back


class Lot(NamedTuple):
    """Servers of one sort; `to` is where each would go, nothing where they stay."""

    decision: Decision
    servers: tuple[Server, ...]
    to: tuple[str, ...] = ()

    def each(self) -> Iterator[Planned]:
        """What becomes of each of them."""
        action, why, _, _, home = self.decision
        for server, to in zip(self.servers, self.to or repeat(""), strict=False):
            yield Planned(server, action, to, why, home)


class Emptying:
    """Servers by host, each with what the policy says of it there."""

    def __init__(self, facts: Facts, settle: Settle, way: Way) -> None:
        self._way = way
        asked = {
            (flavor, booted): needs.of(flavor, volume_booted=booted)
            for flavor, booted in {(one.flavor, one.volume_booted) for one in facts.servers}
        }
        self._capacity = Capacity(facts, asked.values())
        self._sorts = Sorts(Policy(way, settle, facts.projects), asked, self._capacity.tenants)
        self._on: dict[str, Sorted] = {host.name: defaultdict(list) for host in facts.hosts}
        self._models = {
            asked[sort].amounts
            for sort in {(one.flavor, one.volume_booted) for one in facts.servers if one.is_model}
        }
        self._away: dict[str, list[Moved]] = {}
        zones = {host.name: host.zone for host in facts.hosts}
        begun = {host.name for host in facts.hosts if refusals.begun(host)}
        for server in facts.servers:
            if (zone := zones.get(server.host)) is not None:
                sort = self._sorts.of(server, zone)
                if server.kind is Kind.BUSY and server.host in begun:
                    # most likely by the run that was at work there
                    sort = replace(sort, decision=AWAITED)
                self._on[server.host][sort].append(server)

    def shown(self) -> bool:
        """Whether a server that runs shows what a new one could be made of."""
        return bool(self._models)

    def has_room(self, host: ComputeHost) -> bool:
        """Whether a new server like one of those fits on *host* now."""
        room = self._capacity.rooms[host.name]
        return any(room.has(one) and room.may_ever(one) for one in self._models)

    def kinds(self, host: ComputeHost) -> Mapping[Kind, int]:
        """How many servers of each kind are on *host* now."""
        found: Counter[Kind] = Counter()
        for sort, servers in self._on[host.name].items():
            found[sort.kind] += len(servers)
        return found

    def refused(self, host: ComputeHost) -> list[Finding]:
        """What of the servers on *host* forbids to begin with it, whatever room there is."""
        wrong: dict[Reason, list[Server]] = defaultdict(list)
        for sort, servers in self._on[host.name].items():
            decision = sort.decision
            if decision.action is Action.REFUSED:
                wrong[decision.why, decision.remedy] += servers
            elif decision.moves and self._capacity.bound(sort.group):
                wrong[BOUND] += servers
        return [refusals.of_servers(host, *why, servers) for why, servers in wrong.items()]

    def moves(self, host: ComputeHost) -> bool:
        """Whether servers leave *host*."""
        return any(sort.decision.moves for sort in self._on[host.name])

    def on_disk(self, host: ComputeHost) -> list[Finding]:
        """Servers whose disks must outlast a reinstall of *host*."""
        if self._way is not Way.REINSTALL:
            return []
        kept = [
            server
            for sort, servers in self._on[host.name].items()
            if not sort.decision.moves and sort.local_disk
            for server in servers
        ]
        return [refusals.of_disks(host, kept)] if kept else []

    def away(self, host: ComputeHost) -> list[Finding]:
        """Servers that are to come home to *host*, which somebody else keeps closed."""
        if host.enabled or refusals.begun(host):
            return []
        on = self._on[host.name].items()
        sent = [server for sort, servers in on if sort.decision.home for server in servers]
        return [refusals.of_homeless(host, sent)] if sent else []

    def close(self, host: ComputeHost) -> None:
        """Let no servers come to *host*."""
        self._capacity.rooms[host.name].open = False

    def reopen(self, host: ComputeHost, *, renewed: bool) -> None:
        """Let them come again, if they could before, and who is to come home first."""
        source = self._capacity.rooms[host.name]
        for sort, rooms in self._away.pop(host.name, ()):
            for room in rooms:
                self._capacity.take_back(sort.demand, sort.group, room)
                source.put(sort.demand.needs.amounts, sort.group)
        self._capacity.reopen(source, renewed=renewed)

    def empty(self, host: ComputeHost) -> tuple[tuple[Lot, ...], list[Finding]]:
        """What becomes of the servers of *host*; where one has no place, why, and all stay."""
        lots: list[Lot] = []
        moved: list[Moved] = []
        homeless: dict[Reason, list[Server]] = defaultdict(list)
        for sort, servers in self._on[host.name].items():
            decision = sort.decision
            if decision.action is Action.REFUSED:  # they came by this plan: other rules hold here
                homeless[decision.why, decision.remedy] += servers
            elif not decision.moves:
                lots.append(Lot(decision, tuple(servers)))
            else:
                count = len(servers)
                rooms = self._capacity.place(sort.demand, sort.group, count, host.name)
                moved.append((sort, rooms))
                if len(rooms) < count:
                    homeless[self._reason(sort.demand, host)] += servers[len(rooms) :]
        if homeless:
            for sort, rooms in moved:
                for room in rooms:
                    self._capacity.take_back(sort.demand, sort.group, room)
            return (), [refusals.of_servers(host, *why, those) for why, those in homeless.items()]
        return (*lots, *[self._arrive(host, *one) for one in moved]), []

    def _arrive(self, host: ComputeHost, sort: Sort, rooms: list[Room]) -> Lot:
        """Servers of *sort* have left; on a renewed host nobody asks after them again.

        Nobody asked for room of *host* meanwhile: it is closed.
        """
        servers = self._on[host.name][sort]
        source = self._capacity.rooms[host.name]
        source.take(sort.demand.needs.amounts, sort.group, len(servers))
        if sort.decision.home:
            self._away.setdefault(host.name, []).append((sort, rooms))
        else:
            del self._on[host.name][sort]
            for server, room in zip(servers, rooms, strict=True):
                if not room.renewed:
                    there = self._sorts.of(server, room.zone)
                    self._on[room.name][there].append(server)
        return Lot(sort.decision, tuple(servers), tuple([room.name for room in rooms]))

    def _reason(self, demand: Demand, host: ComputeHost) -> Reason:
        if self._capacity.suitable(demand, host.name):
            return NO_ROOM
        if demand.live and self._capacity.suitable(replace(demand, live=False), host.name):
            return NO_CPU
        return NO_HOST
