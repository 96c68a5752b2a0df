"""What one lab is. Two labs that differ in home, bridge, prefix and names run side by side."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from infra.nspawn import Bridge
from migrate.errors import SettingsError

ALL = ("keystone", "glance", "placement", "nova", "neutron", "cinder", "heat", "horizon")

# characters that break a sloppy quoting of URLs, ini values, SQL or shells; each service has others
AWKWARD = ("@/:", "#x;", "'q", "a b", '"z', "%41", "&?=", "\\n", "+~")
BROKER = ("@:%",)  # rabbitmqctl's wrapper takes no quotes, oslo.messaging no slash
DATABASE = ("'q", "!(", "*)", ";=", "&,")  # keystone-manage fails on a percent sign in its URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One source cloud, and the addresses of the target beside it."""

    storage: ClassVar[str] = ""  # which of the kinds below it is
    volume_type: ClassVar[str] = "nfs"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CephLab(Lab):
    """A cloud with images, volumes and servers' disks on Ceph's RBD, and the cluster's machines.

    `client` is a machine with the keys of all users, from which the cluster is looked at and used.
    """

    storage: ClassVar[str] = "ceph"
    volume_type: ClassVar[str] = "rbd"

    monitor: str = "mon-old"
    osd_hosts: tuple[str, ...] = ("osd1", "osd2")
    client: str = "mon-old"
    fsid: str = "6f7b0d0a-77aa-4c3e-9a11-00000000ce02"
    osd_gib: int = 16  # as large as one may become; it takes what is written

    @property
    def addresses(self) -> dict[str, str]:
        """Address of every machine by name, the cluster's included."""
        last = {self.monitor: 15} | {name: 31 + i for i, name in enumerate(self.osd_hosts)}
        # a class with slots is another than its body's, which super() means without arguments
        cloud = super(CephLab, self).addresses
        return cloud | {name: f"{self.prefix}.{number}" for name, number in last.items()}

    def data(self, name: str) -> Path:
        """The folder of this host that is the OSDs' own on *name*: it outlasts the machine."""
        return self.home / "osd" / name

    def secret(self, user: str) -> str:
        """The UUID under which libvirt has the key of Ceph's *user*."""
        return str(uuid.uuid5(uuid.UUID(self.fsid), user))


KINDS: dict[str, type[Lab]] = {kind.storage: kind for kind in (Lab, CephLab)}
NOTE = "storage"  # the file in the state folder that says which kind stands, where there is one


def lab() -> Lab:
    """The lab of this host; `SIDESTEP_LAB` moves its state folder.

    `SIDESTEP_STORAGE=ceph` is the one on Ceph, which it stays for whoever asks while it stands.
    """
    home = Path(os.environ.get("SIDESTEP_LAB") or Lab().home)
    storage = os.environ.get("SIDESTEP_STORAGE") or standing(home)
    if storage not in KINDS:
        raise SettingsError(f"there is no lab with STORAGE={storage}; leave it out, or say ceph")
    return KINDS[storage](home=home)


def standing(home: Path) -> str:
    """The kind of the lab that stands in *home*, "" for the usual one and for none."""
    note = home / NOTE
    return note.read_text() if note.exists() else ""
