"""What stands in the rig for whoever makes machines: an OSD host with a new root file system."""

from __future__ import annotations

from infra import nspawn
from tests.lab.ceph import cluster, packages
from tests.lab.ceph.settings import CephRig

POWER_OFF_SECONDS = 20


def make(rig: CephRig, name: str, *, back: bool = False) -> None:
    """The OSD host *name* anew, of the new release or *back* of the old; its disks are plugged."""
    below = packages.old() if back else packages.new()
    machine = cluster.machine(rig, name, below)
    nspawn.stop(machine, POWER_OFF_SECONDS)
    nspawn.delete(machine)
    nspawn.create(machine)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    cluster.plug(rig, name)
