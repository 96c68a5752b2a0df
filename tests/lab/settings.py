"""What one lab is. Two labs that differ in home, bridge, prefix and names run side by side."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from infra.nspawn import Bridge

ALL = ("keystone", "glance", "placement", "nova", "neutron", "cinder", "heat", "horizon")

# characters that break a sloppy quoting of URLs, ini values, SQL or shells; each service has others
AWKWARD = ("@/:", "#x;", "'q", "a b", '"z', "%41", "&?=", "\\n", "+~")
BROKER = ("@:%",)  # rabbitmqctl's wrapper takes no quotes, oslo.messaging no slash
DATABASE = ("'q", "!(", "*)", ";=", "&,")  # keystone-manage fails on a percent sign in its URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One source cloud, and the addresses of the target beside it."""

    home: Path = Path("/var/lib/sidestep/lab")
    bridge: str = "br-sidestep"
    prefix: str = "10.77.0"
    controller: str = "ctl-old"
    computes: tuple[str, ...] = ("cmp1", "cmp2")
    target: str = "ctl-new"
    services: tuple[str, ...] = ALL

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The one network of the lab: management, virtual IP and the guests' flat network."""
        return ipaddress.IPv4Network(f"{self.prefix}.0/24")

    @property
    def inner(self) -> str:
        """The first three numbers of the network behind the router, another for each lab."""
        return f"192.168.{self.prefix.split('.')[1]}"

    @property
    def host_bridge(self) -> Bridge:
        """The bridge on this host, which is the observer at .1."""
        return Bridge(name=self.bridge, address=f"{self.prefix}.1/24")

    @property
    def vip(self) -> str:
        """The virtual IP; every URL of the cloud names it."""
        return f"{self.prefix}.10"

    @property
    def addresses(self) -> dict[str, str]:
        """Address of every machine by name, the target's included."""
        found = {self.controller: f"{self.prefix}.11", self.target: f"{self.prefix}.12"}
        return found | {n: f"{self.prefix}.{21 + i}" for i, n in enumerate(self.computes)}

    @property
    def hosts(self) -> dict[str, str]:
        """What /etc/hosts of every machine says."""
        return {"vip": self.vip, **self.addresses}

    @property
    def shared_volumes(self) -> Path:
        """The folder that stands for the NFS share of cinder."""
        return self.home / "volumes"

    @property
    def share(self) -> str:
        """The name of the share; it is part of every volume's location."""
        return f"{self.addresses[self.controller]}:/srv/volumes"

    @property
    def share_folder(self) -> str:
        """The folder name under which the NFS drivers expect the share mounted."""
        return hashlib.md5(self.share.encode(), usedforsecurity=False).hexdigest()

    def password(self, owner: str) -> str:
        """The password of a service or user: the same each time, different for each, awkward."""
        value = hashlib.sha256(f"{self.home.name} {owner}".encode()).hexdigest()
        among: tuple[str, ...] = AWKWARD
        if owner.startswith("db "):
            among = DATABASE
        elif owner == "rabbit":
            among = BROKER
        return value[:10] + among[int(value[10:14], 16) % len(among)] + value[14:18]

    def quoted(self, owner: str) -> str:
        """The password as it stands in a URL."""
        return quote(self.password(owner), safe="!'()*;=&,")


def lab() -> Lab:
    """The lab of this host; `SIDESTEP_LAB` moves its state folder."""
    home = os.environ.get("SIDESTEP_LAB")
    return replace(Lab(), home=Path(home)) if home else Lab()
