"""Servers that are alike in all that decides what becomes of them: a sort is decided once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from migrate.computes.estimates import Action
from migrate.computes.facts import Flavor, Group, Kind, Server
from migrate.computes.likeness import Demand
from migrate.computes.needs import Needs
from migrate.computes.policy import Decision, Policy


@dataclass(frozen=True, slots=True, eq=False)
class Sort:
    """What becomes of such servers, and what they ask of another host."""

    decision: Decision
    demand: Demand
    kind: Kind
    local_disk: bool
    group: Group | None = None


class Sorts:
    """The sort of each server, made when the first of it is met."""

    def __init__(
        self,
        policy: Policy,
        needs: Mapping[tuple[Flavor, bool], Needs],
        tenants: Collection[str],
    ) -> None:
        """*needs* are by flavor and whether it boots from a volume, *tenants* aggregates' own."""
        self._policy, self._needs, self._tenants = policy, needs, tenants
        self._demands: dict[tuple[object, ...], Demand] = {}
        self._known: dict[tuple[object, ...], Sort] = {}
        self._grouped: dict[tuple[Sort, Group], Sort] = {}

    def of(self, server: Server, zone: str) -> Sort:
        """Of *server* on a host of *zone*."""
        key = (
            server.flavor,
            server.volume_booted,
            server.status,
            server.kind,
            server.zone,
            server.cards,
            zone,
            server.project if server.project in self._tenants else "",
            self._policy.asked(server),
        )
        found = self._known.get(key)
        if found is None:
            decision = self._policy.of(server, zone)
            demand = self._demand(server, decision)
            found = self._known[key] = Sort(decision, demand, server.kind, server.local_disk)
        return self._in_group(found, server.group) if server.group else found

    def _in_group(self, sort: Sort, group: Group) -> Sort:
        if (sort, group) not in self._grouped:
            self._grouped[sort, group] = replace(sort, group=group)
        return self._grouped[sort, group]

    def _demand(self, server: Server, decision: Decision) -> Demand:
        """One for all that ask the same: lines of hosts are found once for each."""
        needs = self._needs[server.flavor, server.volume_booted]
        project = server.project if server.project in self._tenants else ""
        asked = (needs, server.zone, project, decision.action is Action.LIVE)
        if asked not in self._demands:
            self._demands[asked] = Demand(*asked)
        return self._demands[asked]
