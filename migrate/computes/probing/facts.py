"""What decides whether a server can be live-migrated from one compute host to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Platform(NamedTuple):
    """What a host runs servers with: those of one platform are alike."""

    release: str  # of its nova-compute
    qemu: str
    libvirt: str
    cpu: str  # what servers see of it, by nova's cpu_mode

    def __str__(self) -> str:
        return f"{self.release} with QEMU {self.qemu}, libvirt {self.libvirt}, {self.cpu}"


class Shape(NamedTuple):
    """What a server is to a hypervisor."""

    machine: str  # pc-q35-10.0
    firmware: str  # bios, efi, efi with secure boot
    disks: str  # "local file, volume rbd"

    @property
    def volumes(self) -> bool:
        """Whether it has a volume, and not only disks of its host's."""
        return "volume" in self.disks

    @property
    def boots_from_volume(self) -> bool:
        """Whether it has nothing else to boot from."""
        return self.volumes and not self.bare.disks

    @property
    def bare(self) -> Shape:
        """The same without volumes."""
        own = [one for one in self.disks.split(", ") if not one.startswith("volume")]
        return self._replace(disks=", ".join(own))

    def __str__(self) -> str:
        return f"{self.machine}, {self.firmware}, {self.disks or 'no disk'}"


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One compute host. `unready` says why no server is live-migrated to it, and `permits` what
    nova may do there for a server that writes faster than the network carries.
    """

    host: str
    zone: str
    open: bool  # enabled, and up
    platform: Platform
    shapes: Mapping[str, Shape] = field(default_factory=dict)  # of servers that run there
    unready: str = ""
    permits: tuple[str, ...] = ()


class Trip(NamedTuple):
    """A server of this shape goes from a host of one platform to one of the other."""

    source: Platform
    to: Platform
    shape: Shape

    @property
    def back(self) -> Trip:
        return Trip(self.to, self.source, self.shape)

    def __str__(self) -> str:
        return f"{self.source} to {self.to}, a server of {self.shape}"


class How(StrEnum):
    """What came of a way that was tried."""

    WORKS = "works"
    FAILS = "fails"
    UNPROVEN = "unproven"  # no server of ours could be made for it


# the one reason that no later run changes
LIKE_NONE = "a new server has another machine, firmware or disks than those that run"


class Tried(NamedTuple):
    how: How
    why: str = ""

    @property
    def lasts(self) -> bool:
        """Whether no later run tries it once more: it works, or no server of ours can show it."""
        return self.how is How.WORKS or self.why == LIKE_NONE


Record = Mapping[Trip, Tried]
