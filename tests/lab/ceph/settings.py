"""What the Ceph rig is: the cluster of a lab on Ceph alone, without a cloud, and a client of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab.settings import CephLab


@dataclass(frozen=True, slots=True, kw_only=True)
class CephRig(CephLab):
    """The old cluster's machines, one of the new release, and the client that uses it all along."""

    home: Path = Path("/var/lib/sidestep/ceph")
    bridge: str = "br-ceph"
    prefix: str = "10.78.14"
    controller: str = "ceph-mon"  # which has nothing of a cloud
    computes: tuple[str, ...] = ()
    target: str = "ceph-new"
    services: tuple[str, ...] = ()
    monitor: str = "ceph-mon"
    osd_hosts: tuple[str, ...] = ("ceph-osd1", "ceph-osd2")
    client: str = "ceph-client"
    fsid: str = "6f7b0d0a-77aa-4c3e-9a11-00000000ce01"
    osd_gib: int = 4
    olds: tuple[str, ...] = ()  # machines of the old release beside that of the monitor
    news: tuple[str, ...] = ()  # machines of the new release beside the target

    @property
    def addresses(self) -> dict[str, str]:
        """Address of every machine by name."""
        last = {self.monitor: 11, self.target: 12, self.client: 41}
        last |= {name: 14 + place for place, name in enumerate(self.olds)}
        last |= {name: 17 + place for place, name in enumerate(self.news)}
        last |= {name: 21 + place for place, name in enumerate(self.osd_hosts)}
        return {name: f"{self.prefix}.{number}" for name, number in last.items()}


RIG = CephRig()
