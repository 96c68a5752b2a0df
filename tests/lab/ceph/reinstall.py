"""What stands in the rig, and in the lab on Ceph, for whoever makes machines: an OSD host anew."""

from __future__ import annotations

import json
from pathlib import Path

from infra import nspawn
from infra.nspawn import access
from tests.lab.ceph import cluster, packages
from tests.lab.settings import CephLab

POWER_OFF_SECONDS = 20


def make(rig: CephLab, name: str, *, back: bool = False) -> None:
    """The OSD host *name* anew, of the new release or *back* of the old; its disks are plugged."""
    below = packages.old() if back else packages.new()
    machine = cluster.machine(rig, name, below)
    nspawn.stop(machine, POWER_OFF_SECONDS)
    nspawn.delete(machine)
    nspawn.create(machine)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    cluster.plug(rig, name)


def answer(rig: CephLab, name: str, listed: Path) -> None:
    """The same, asked for by the program: see `migrate/computes/reinstalling/anew.py`.

    It has a new host key, which only the file that the list names is told.
    """
    wanted, address = json.loads(listed.read_text()), rig.addresses[name]
    known = access.trusted(rig.home, address)
    try:
        make(rig, name, back=wanted["back"])
        fresh = access.trusted(rig.home, address)
        Path(wanted["knownHosts"]).write_text("".join(f"{line}\n" for line in fresh))
    finally:
        access.trust(rig.home, address, known)
