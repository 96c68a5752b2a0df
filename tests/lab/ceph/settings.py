"""What the Ceph rig is: a lab whose controller is a monitor, and whose computes are OSD hosts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab.settings import Lab


@dataclass(frozen=True, slots=True, kw_only=True)
class CephRig(Lab):
    """The old cluster's machines, one of the new release, and the client that uses it all along."""

    home: Path = Path("/var/lib/sidestep/ceph")
    bridge: str = "br-ceph"
    prefix: str = "10.78.14"
    controller: str = "ceph-mon"
    computes: tuple[str, ...] = ("ceph-osd1", "ceph-osd2")
    target: str = "ceph-new"
    services: tuple[str, ...] = ()
    client: str = "ceph-client"
    fsid: str = "6f7b0d0a-77aa-4c3e-9a11-00000000ce01"

    @property
    def addresses(self) -> dict[str, str]:
        """Address of every machine by name."""
        last = {self.controller: 11, self.target: 12, self.client: 41}
        last |= {name: 21 + place for place, name in enumerate(self.computes)}
        return {name: f"{self.prefix}.{number}" for name, number in last.items()}

    @property
    def monitor(self) -> str:
        """The machine of the old monitor, manager and gateway."""
        return self.controller

    @property
    def osd_hosts(self) -> tuple[str, ...]:
        """The machines with the data."""
        return self.computes

    def data(self, name: str) -> Path:
        """The folder of this host that is the OSDs' own on *name*: it outlasts the machine."""
        return self.home / "osd" / name


RIG = CephRig()
