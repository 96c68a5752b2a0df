"""Where servers can go: room on every host, kept while the plan takes it and gives it back.

Hosts that differ in nothing but their room stand in one pool. For each demand a pool has lines of
hosts that may have room for it. One that has not leaves the line, and comes back when it is given
room, so that no host is looked at twice in vain.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator

from migrate.computes.facts import ComputeHost, Facts, Group
from migrate.computes.likeness import Demand, Like, alike
from migrate.computes.needs import Needs

Amounts = tuple[tuple[str, int], ...]


class Room:
    """One host's room, and who is on it. Only one that is `open` takes servers."""

    __slots__ = ("free", "groups", "left", "may_open", "name", "open", "pool", "renewed", "units")

    def __init__(self, host: ComputeHost, pool: Pool, classes: Iterable[str]) -> None:
        """*classes* of resources are all that will be asked for."""
        self.name, self.pool = host.name, pool
        self.open = self.may_open = host.enabled and host.up
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

    @property
    def zone(self) -> str:
        return self.pool.like.zone

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

    def take(self, amounts: Amounts, group: Group | None, count: int = 1) -> None:
        """*count* servers of *group*, each of so much, are here no more."""
        for name, amount in amounts:
            self.free[name] += amount * count
        if group:
            self.groups[group] -= count


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

    def fill(self, group: Group | None, count: int, *, renewed: bool) -> list[Room]:
        """Put *count* servers of *group* on the next in turn, so that they are spread, or fewer.

        Who is full or closed leaves.
        """
        waiting = self.renewed if renewed else self.old
        found: list[Room] = []
        passed = 0  # for the group's sake
        while len(found) < count and passed < len(waiting):
            room = waiting[0]
            if room.renewed is not renewed:
                waiting.popleft()  # it stands among the renewed
            elif not room.open or not room.has(self.amounts):
                waiting.popleft()
                room.left.append(self)
            else:
                waiting.rotate(-1)
                if group is None or room.suits(group):
                    room.put(self.amounts, group)
                    found.append(room)
                else:
                    passed += 1
        return found


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

    def bound(self, group: Group | None) -> bool:
        """Whether others of its affinity group hold a server of *group* on its host."""
        return group is not None and group.policy == "affinity" and self._members[group] > 1

    def place(self, demand: Demand, group: Group | None, count: int, source: str) -> list[Room]:
        """The hosts whose room *count* servers of *group* take: fewer, where there is no more.

        Renewed hosts come first, then the zone of *source*, where they are, before others.
        """
        found: list[Room] = []
        for line, renewed in self._lines_for(demand, self.rooms[source].pool):
            found += line.fill(group, count - len(found), renewed=renewed)
            if len(found) == count:
                break
        return found

    def take_back(self, demand: Demand, group: Group | None, room: Room) -> None:
        """A server does not come to *room*, which stands in every line again."""
        room.take(demand.needs.amounts, group)
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
        room.open = room.may_open
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
