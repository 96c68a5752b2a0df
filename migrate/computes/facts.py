"""Compute hosts and the servers on them, as nova and placement tell them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a server is to somebody who wants to move it."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    ERROR = "error"
    BUSY = "busy"  # in the middle of an operation
    HELD = (
        "held"  # suspended, rescued, shelved, resized and not confirmed: at rest, but not movable
    )


@dataclass(frozen=True, slots=True, eq=False)
class Flavor:
    """One for each that differs: servers of one flavor share it. RAM in MiB, disks in GiB.

    `extra_specs` are its own and what the image of these servers asks for as a flavor would.
    """

    name: str
    vcpus: int
    ram: int
    root: int
    ephemeral: int = 0
    swap: int = 0  # MiB
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    image_known: bool = True  # whether that could be told


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A server group; `most` is how many of an anti-affinity group may share a host."""

    id: str
    policy: str  # affinity, anti-affinity, soft-affinity, soft-anti-affinity
    most: int = 1


class Server(NamedTuple):
    """A server that is on a host. `zone` is the one it was asked for, "" where any will do, and
    `cards` are types of its ports that are plugged into no switch of its host.
    """

    id: str
    name: str
    project: str
    status: str  # ACTIVE, SHUTOFF, ...
    task: str
    host: str
    flavor: Flavor
    kind: Kind
    volume_booted: bool = False
    volumes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}
    group: Group | None = None
    zone: str = ""
    cards: tuple[str, ...] = ()

    @property
    def is_model(self) -> bool:
        """Whether a new server can be like this one, as far as nova knows."""
        return self.kind is Kind.RUNNING

    @property
    def local_disk(self) -> bool:
        """Whether data of it lies on the host's own disk, or wherever its instances' folder is."""
        flavor = self.flavor
        return not self.volume_booted or bool(flavor.ephemeral or flavor.swap)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Of one resource class, by placement; `unit` is the most that one server may take."""

    total: int
    reserved: int = 0
    ratio: float = 1.0
    unit: int = 2**31

    @property
    def room(self) -> float:
        return (self.total - self.reserved) * self.ratio


@dataclass(frozen=True, slots=True)
class Provider:
    """A resource provider: a host's own, or one below it as a card's vGPUs."""

    uuid: str
    root: str
    inventories: Mapping[str, Inventory]
    usages: Mapping[str, int]
    traits: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Aggregate:
    name: str
    hosts: frozenset[str]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class ComputeHost:
    """One nova-compute. No API tells the versions of its service and of libvirt, nor its cell."""

    name: str
    zone: str
    enabled: bool = True
    reason: str = ""  # why it is disabled
    up: bool = True
    hypervisor: str = "QEMU"
    version: int = 0  # of QEMU, as 10000000 for 10.0.0
    architecture: str = ""
    vendor: str = ""
    cpu: str = ""  # model
    providers: tuple[Provider, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `projects` are names by id; `recovery` are segments of instance-HA at work;
    `image` is GiB of the largest that a server's volume was made of.
    """

    hosts: tuple[ComputeHost, ...]
    servers: tuple[Server, ...]
    aggregates: tuple[Aggregate, ...] = ()
    projects: Mapping[str, str] = field(default_factory=dict)
    recovery: tuple[str, ...] = ()
    image: float = 0.0
