"""Where servers can go: room on every host, kept while the plan takes it and gives it back.

Hosts that differ in nothing but their room stand in one pool. For each demand a pool has lines of
hosts that may have room for it. One that has not leaves the line, and comes back when it is given
room, so that no host is looked at twice in vain.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from migrate.computes.facts import ComputeHost, Facts, Group, Server
from migrate.computes.needs import Needs

CPU = "HW_CPU_"  # traits that say what CPU servers see on a host
TENANTS = "filter_tenant_id"  # an aggregate that only these projects may use

Amounts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Like:
    """What hosts of one pool have in common, of what any server may ask."""

    zone: str
    hypervisor: str
    version: int
    architecture: str
    vendor: str
    traits: frozenset[str]
    labels: frozenset[tuple[str, str]]
    tenants: frozenset[str]

    @property
    def offer(self) -> int:
        """How much of what only some servers ask: these have nowhere else to go."""
        asked = sum(not trait.startswith(CPU) for trait in self.traits)
        return asked + len(self.labels) + bool(self.tenants)

    def takes(self, needs: Needs, project: str) -> bool:
        return (
            needs.required <= self.traits
            and not needs.forbidden & self.traits
            and needs.labels <= self.labels
            and (not self.tenants or project in self.tenants)
        )

    def runs_on(self, other: Like) -> bool:
        """Whether what was started here can run on *other*, by nova's own rules for hypervisors."""
        return self.hypervisor == other.hypervisor and self.architecture == other.architecture

    def migrates_live_to(self, other: Like) -> bool:
        """As nova judges: no older QEMU, no other vendor, no CPU that lacks what they see here."""
        cpu = {trait for trait in self.traits if trait.startswith(CPU)}
        return (
            self.runs_on(other)
            and self.vendor == other.vendor
            and self.version <= other.version
            and cpu <= other.traits
        )


class Room:
    """One host's room, and who is on it. Only one that is `open` takes servers."""

    __slots__ = ("free", "groups", "host", "left", "open", "pool", "renewed", "units")

    def __init__(self, host: ComputeHost, pool: Pool) -> None:
        self.host, self.pool = host, pool
        self.open = host.enabled and host.up
        self.renewed = False
        self.groups: Counter[Group] = Counter()
        self.left: list[Line] = []  # lines that it left, closed or without room
        self.free: dict[str, float] = defaultdict(float)
        self.units: dict[str, int] = defaultdict(int)
        for provider in host.providers:
            for name, one in provider.inventories.items():
                self.free[name] += one.room - provider.usages.get(name, 0)
                self.units[name] = max(self.units[name], one.unit)

    def may_ever(self, amounts: Amounts) -> bool:
        """Whether one server may take so much here at all."""
        return all(self.units[name] >= amount for name, amount in amounts)

    def has(self, amounts: Amounts) -> bool:
        """Whether so much is free."""
        free = self.free
        for name, amount in amounts:  # noqa: SIM110  asked for each server: all() costs the double
            if free[name] < amount:
                return False
        return True

    def suits(self, group: Group) -> bool:
        """Whether a member of *group* may come, beside those that are here."""
        return group.policy != "anti-affinity" or self.groups[group] < group.most

    def put(self, amounts: Amounts, group: Group | None) -> None:
        for name, amount in amounts:
            self.free[name] -= amount
        if group:
            self.groups[group] += 1

    def take(self, amounts: Amounts, group: Group | None) -> None:
        for name, amount in amounts:
            self.free[name] += amount
        if group:
            self.groups[group] -= 1


class Line:
    """Hosts of one pool that may have room for one demand: renewed ones, and the others."""

    __slots__ = ("amounts", "old", "renewed", "rooms")

    def __init__(self, amounts: Amounts, rooms: list[Room]) -> None:
        self.amounts, self.rooms = amounts, rooms
        self.old: deque[Room] = deque()
        self.renewed: deque[Room] = deque()
        for room in rooms:
            if room.open:
                self.join(room)
            else:
                room.left.append(self)

    def join(self, room: Room) -> None:
        if room.may_ever(self.amounts):
            (self.renewed if room.renewed else self.old).append(room)

    def next(self, group: Group | None, *, renewed: bool) -> Room | None:
        """The next in turn, so that servers are spread; who is full or closed leaves."""
        waiting = self.renewed if renewed else self.old
        for _ in range(len(waiting)):
            room = waiting[0]
            if room.renewed is not renewed:
                waiting.popleft()  # it stands among the renewed
            elif not room.open or not room.has(self.amounts):
                waiting.popleft()
                room.left.append(self)
            else:
                waiting.rotate(-1)
                if group is None or room.suits(group):
                    return room
        return None


class Pool:
    """Hosts that are alike, and a line for each demand that was asked for."""

    def __init__(self, like: Like) -> None:
        self.like = like
        self.rooms: list[Room] = []
        self.lines: dict[Amounts, Line] = {}

    def line(self, amounts: Amounts) -> Line:
        if amounts not in self.lines:
            self.lines[amounts] = Line(amounts, self.rooms)
        return self.lines[amounts]


class Capacity:
    """Room of a whole cloud."""

    def __init__(self, facts: Facts, needs: Iterable[Needs]) -> None:
        """*needs* are all that will be asked: what none of them asks makes no host different."""
        self.rooms: dict[str, Room] = {}
        self._pools: dict[Like, Pool] = {}
        self._lines: dict[tuple[Needs, Pool, bool, str, str], list[tuple[Line, ...]]] = {}
        self._members: Counter[Group] = Counter()
        for host, like in _alike(facts, list(needs)):
            pool = self._pools.setdefault(like, Pool(like))
            room = self.rooms[host.name] = Room(host, pool)
            pool.rooms.append(room)
        self._zones = sorted({like.zone for like in self._pools})
        self._tenants = frozenset(one for like in self._pools for one in like.tenants)
        for server in facts.servers:
            if server.group and server.host in self.rooms:
                self.rooms[server.host].groups[server.group] += 1
                self._members[server.group] += 1

    def bound(self, server: Server) -> bool:
        """Whether others of its affinity group hold *server* on its host."""
        group = server.group
        return group is not None and group.policy == "affinity" and self._members[group] > 1

    def find(self, server: Server, needs: Needs, source: Room, *, live: bool) -> Room | None:
        """A host with room for *server*, renewed ones first; the zone it is in before others."""
        for lines in self._suiting(server, needs, source, live=live):
            for renewed in (True, False):
                for line in lines:
                    if room := line.next(server.group, renewed=renewed):
                        return room
        return None

    def suitable(self, server: Server, needs: Needs, source: Room, *, live: bool) -> bool:
        """Whether there are other hosts that would do, had they room and were they open."""
        return any(
            room is not source
            for lines in self._suiting(server, needs, source, live=live)
            for line in lines
            for room in line.rooms
        )

    def reopen(self, room: Room, *, renewed: bool) -> None:
        """Let *room* take servers again, if it did before."""
        room.renewed = renewed
        room.open = room.host.enabled and room.host.up
        if not renewed:
            self.widen(room)
        elif room.open:
            room.left.clear()
            for line in room.pool.lines.values():
                line.join(room)

    def widen(self, room: Room) -> None:
        """*room* was given room: it stands in every line again."""
        for line in room.left:
            line.join(room)
        room.left.clear()

    def _suiting(
        self, server: Server, needs: Needs, source: Room, *, live: bool
    ) -> list[tuple[Line, ...]]:
        """Lines of hosts that would do, by zone: the only one asked for, or all, its own first.

        In a zone those come first that offer the least beyond what is asked.
        """
        project = server.project if server.project in self._tenants else ""
        key = (needs, source.pool, live, server.zone, project)
        if key not in self._lines:
            self._lines[key] = list(self._lines_for(*key))
        return self._lines[key]

    def _lines_for(
        self, needs: Needs, pool: Pool, live: bool, zone: str, project: str
    ) -> Iterator[tuple[Line, ...]]:
        source = pool.like
        able = source.migrates_live_to if live else source.runs_on
        others = [one for one in self._zones if one != source.zone]
        plainest = sorted(self._pools.items(), key=lambda item: item[0].offer)
        for wanted in [zone] if zone else [source.zone, *others]:
            found = tuple(
                pool.line(needs.amounts)
                for like, pool in plainest
                if like.zone == wanted and like.takes(needs, project) and able(like)
            )
            if found:
                yield found


def _alike(facts: Facts, needs: list[Needs]) -> Iterator[tuple[ComputeHost, Like]]:
    traits = frozenset(trait for one in needs for trait in one.required | one.forbidden)
    labels = frozenset(label for one in needs for label in one.labels)
    metadata: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for aggregate in facts.aggregates:
        for name in aggregate.hosts:
            metadata[name].append(aggregate.metadata)
    for host in facts.hosts:
        like = Like(
            zone=host.zone,
            hypervisor=host.hypervisor,
            version=host.version,
            architecture=host.architecture,
            vendor=host.vendor,
            traits=frozenset(
                trait
                for provider in host.providers
                for trait in provider.traits
                if trait in traits or trait.startswith(CPU)
            ),
            labels=frozenset(
                (key, value)
                for one in metadata[host.name]
                for key, value in one.items()
                if (key, value) in labels
            ),
            tenants=frozenset(
                project.strip()
                for one in metadata[host.name]
                for key, value in one.items()
                if key.startswith(TENANTS)
                for project in value.split(",")
            ),
        )
        yield host, like
