"""What is a host's own and outlasts its system, each with the reason. Data.

More is named by `settle.reinstall.keep` of the stack file: units of the operator's own, and what
they run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# put back as it was; only where the fresh system has none; never, but there to compare with
How = Literal["back", "absent", "aside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """`paths` are patterns: of a folder all that is in it, with a slash at its end it alone."""

    paths: tuple[str, ...]
    why: str
    how: How = "back"
    must: bool = False  # without it the host would not be itself: refused
    servers: bool = False  # that it must is only said of hosts that run servers


INSTANCES = "/var/lib/nova/instances"
HOST_KEYS = "/etc/ssh/ssh_host_"

KEPT = (
    Kept(
        paths=("/etc/hostname", "/etc/hosts"),
        why="nova and libvirt name the node by it: in another form it is another host",
        must=True,
    ),
    Kept(
        paths=("/var/lib/nova/compute_id",),
        why="without it nova-compute refuses to start where a record of its name exists",
        must=True,
        servers=True,
    ),
    Kept(
        paths=("/etc/machine-id",),
        why="the serial number that servers see is made of it ([libvirt] sysinfo_serial)",
    ),
    Kept(
        paths=(f"{HOST_KEYS}*", "/etc/ssh/ssh_known_hosts"),
        why="other hosts, and whoever migrates servers to it, know it by its keys",
    ),
    Kept(
        paths=("/var/lib/nova/.ssh",),
        why="nova goes from host to host by it when servers move",
    ),
    Kept(
        paths=("/etc/nova", "/etc/neutron", "/etc/default/nova-*", "/etc/default/neutron-*"),
        why="how OpenStack is configured on this host; the release's own is added beside it",
        must=True,
        servers=True,
    ),
    Kept(
        paths=(
            *("/var/lib/nova/", "/var/lib/nova/*/", "/var/log/nova/"),
            *("/var/lib/neutron/", "/var/lib/neutron/*/", "/var/log/neutron/"),
        ),
        why="folders that services write to, with their owners; what is in them is not kept",
    ),
    Kept(
        paths=("/var/lib/migrate/agents.json",),
        why="which units are started again when the cloud as a whole goes back",
    ),
    Kept(
        paths=("/etc/libvirt/*.conf", "/etc/libvirt/hooks", "/etc/default/libvirt*"),
        why="how libvirt and QEMU are set up: who may migrate to it, what is shared",
    ),
    Kept(
        paths=("/etc/libvirt/secrets",),
        why="keys of volumes on Ceph and of encrypted ones, which servers need to start",
    ),
    Kept(
        paths=("/var/lib/libvirt/qemu/nvram",),
        why="what the firmware of servers with UEFI knows: how one that stays starts, its keys",
    ),
    Kept(
        paths=("/root/.ssh/known_hosts", "/root/.ssh/config", "/root/.ssh/id_*"),
        why="libvirt goes to other hosts as root when servers move by ssh",
        how="absent",
    ),
    Kept(
        paths=("/etc/pki/libvirt*", "/etc/pki/qemu", "/etc/pki/CA"),
        why="certificates by which libvirt on other hosts knows it",
    ),
    Kept(
        paths=("/etc/openvswitch/system-id.conf",),
        why="the switch's identity; what it was told of itself is read from it and set again",
    ),
    Kept(
        paths=("/etc/iscsi", "/etc/nvme/host*", "/etc/multipath.conf", "/etc/multipath"),
        why="storage lets this host in by its initiator's name",
    ),
    Kept(
        paths=("/etc/ceph",),
        why="monitors' addresses, and the keys that open pools",
    ),
    Kept(
        paths=("/etc/sysctl.d", "/etc/modprobe.d", "/etc/modules-load.d"),
        why="settings of the kernel that the host was given; a fresh system's own go before",
        how="absent",
    ),
    Kept(
        paths=("/etc/network", "/etc/netplan", "/etc/systemd/network"),
        why="whoever makes the host gives it its network: kept to compare with",
        how="aside",
    ),
    Kept(
        paths=("/etc/default/grub", "/etc/default/grub.d", "/etc/fstab", "/etc/udev/rules.d"),
        why="huge pages, isolated CPUs, cards for servers: with the disks and the boot loader",
        how="aside",
    ),
)
