"""In what compute hosts are alike to servers that look for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrate.computes.facts import ComputeHost, Facts
from migrate.computes.needs import Needs

CPU = "HW_CPU_"  # traits that say what CPU servers see on a host
TENANTS = "filter_tenant_id"  # an aggregate that only these projects may use


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What servers of one sort ask of another host."""

    needs: Needs
    zone: str  # "" where any will do
    project: str  # "" where no aggregate is for it
    live: bool  # they run on while they move


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


def alike(facts: Facts, needs: list[Needs]) -> Iterator[tuple[ComputeHost, Like]]:
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
