"""Where servers can go: room on every host, kept while the plan takes it and gives it back.

Hosts that differ in nothing but their room stand in one pool. For each demand a pool has lines of
hosts that may have room for it. One that has not leaves the line, and comes back when it is given
room, so that no host is looked at twice in vain.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator

from migrate.computes.facts import ComputeHost, Facts, Group, Server
from migrate.computes.likeness import Demand, Like, alike
from migrate.computes.needs import Needs

Amounts = tuple[tuple[str, int], ...]


class Room:
    """One host's room, and who is on it. Only one that is `open` takes servers."""

    __slots__ = ("free", "groups", "host", "left", "open", "pool", "renewed", "units")

    def __init__(self, host: ComputeHost, pool: Pool, classes: Iterable[str]) -> None:
        """*classes* of resources are all that will be asked for."""
        self.host, self.pool = host, pool
        self.open = host.enabled and host.up
        self.renewed = False
        self.groups: Counter[Group] = Counter()
        self.left: list[Line] = []  # lines that it left, closed or without room
        self.free = dict.fromkeys(classes, 0.0)
        self.units = dict.fromkeys(classes, 0)
        for provider in host.providers:
            for name, one in provider.inventories.items():
                if name in self.free:
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
        free = self.free
        for name, amount in amounts:
            free[name] -= amount
        if group:
            self.groups[group] += 1

    def take(self, amounts: Amounts, servers: Collection[Server]) -> None:
        """*servers*, each of so much, are here no more."""
        for name, amount in amounts:
            self.free[name] += amount * len(servers)
        self.groups.subtract([one.group for one in servers if one.group])


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

    def put(self, group: Group | None, *, renewed: bool) -> Room | None:
        """A server on the next in turn, so that they are spread; who is full or closed leaves."""
        waiting = self.renewed if renewed else self.old
        for _ in range(len(waiting)):
            room = waiting[0]
            if room.renewed is not renewed:
                waiting.popleft()  # it stands among the renewed
            elif group and not room.suits(group):
                waiting.rotate(-1)
            elif room.open and room.has(self.amounts):
                room.put(self.amounts, group)
                waiting.rotate(-1)
                return room
            else:
                waiting.popleft()
                room.left.append(self)
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
        self._lines: dict[tuple[Demand, Pool], list[tuple[Line, bool]]] = {}
        self._members: Counter[Group] = Counter()
        asked = list(needs)
        classes = {name for one in asked for name, _ in one.amounts}
        for host, like in alike(facts, asked):
            pool = self._pools.setdefault(like, Pool(like))
            room = self.rooms[host.name] = Room(host, pool, classes)
            pool.rooms.append(room)
        self._zones = sorted({like.zone for like in self._pools})
        self.tenants = frozenset(one for like in self._pools for one in like.tenants)
        for server in facts.servers:
            if server.group and server.host in self.rooms:
                self.rooms[server.host].groups[server.group] += 1
                self._members[server.group] += 1

    def bound(self, server: Server) -> bool:
        """Whether others of its affinity group hold *server* on its host."""
        group = server.group
        return group is not None and group.policy == "affinity" and self._members[group] > 1

    def place(
        self, demand: Demand, servers: Iterable[Server], source: str
    ) -> tuple[list[tuple[Server, Room]], list[Server]]:
        """Each of *servers* with a host whose room it takes, and those for whom there is none.

        Renewed hosts come first, then the zone of *source*, where they are, before others.
        """
        lines = self._lines_for(demand, self.rooms[source].pool)
        placed: list[tuple[Server, Room]] = []
        left: list[Server] = []
        for server in servers:
            for line, renewed in lines:
                if room := line.put(server.group, renewed=renewed):
                    placed.append((server, room))
                    break
            else:
                left.append(server)
        return placed, left

    def take_back(self, demand: Demand, server: Server, room: Room) -> None:
        """*server* does not come to *room*, which stands in every line again."""
        room.take(demand.needs.amounts, [server])
        self.widen(room)

    def suitable(self, demand: Demand, source: str) -> bool:
        """Whether there are other hosts that would do, had they room and were they open."""
        here = self.rooms[source]
        return any(
            room is not here
            for lines in self._suiting(demand, here.pool.like)
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

    def _lines_for(self, demand: Demand, pool: Pool) -> list[tuple[Line, bool]]:
        """In the order in which they are asked, and whether for hosts that are renewed."""
        if (demand, pool) not in self._lines:
            self._lines[demand, pool] = [
                (line, renewed)
                for zone in self._suiting(demand, pool.like)
                for renewed in (True, False)
                for line in zone
            ]
        return self._lines[demand, pool]

    def _suiting(self, demand: Demand, source: Like) -> Iterator[list[Line]]:
        """Lines of hosts that would do, by zone: the only one asked for, or all, its own first.

        In a zone those come first that offer the least beyond what is asked.
        """
        able = source.migrates_live_to if demand.live else source.runs_on
        others = [one for one in self._zones if one != source.zone]
        plainest = sorted(self._pools.items(), key=lambda item: item[0].offer)
        for zone in [demand.zone] if demand.zone else [source.zone, *others]:
            found = [
                pool.line(demand.needs.amounts)
                for like, pool in plainest
                if like.zone == zone and like.takes(demand.needs, demand.project) and able(like)
            ]
            if found:
                yield found
