"""What stands in the lab for whoever makes and boots machines.

The lab's stack file calls it: `sidestep:settle.reinstall.command`, which gets what
`migrate/computes/reinstalling/anew.py` says, and `sidestep:settle.update.command`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from infra import nspawn
from infra.nspawn import access, layers
from migrate.errors import SettingsError
from tests.lab import cloud, disks, nfs
from tests.lab.ceph import reinstall as osd_host
from tests.lab.settings import CephLab, Lab

POWER_OFF_SECONDS = 20


def make(lab: Lab, name: str, listed: Path) -> None:
    """The machine *name*, bare, or on the way back with the packages that the lab gave it.

    It has a new host key, which only the file that the list names is told. A host with OSDs of the
    lab on Ceph is made as the rig's are.
    """
    if isinstance(lab, CephLab) and name in lab.osd_hosts:
        osd_host.answer(lab, name, listed)
        return
    before, wanted = _compute(lab, name), json.loads(listed.read_text())
    machine = before if wanted["back"] else replace(before, layers=(layers.bare(),))
    known = access.trusted(lab.home, machine.address)
    try:
        nspawn.stop(before, POWER_OFF_SECONDS)
        nspawn.delete(before)
        nspawn.create(machine)
        nspawn.start(machine)
        nspawn.wait_for_ssh(machine)
        _plug(lab, name)
        fresh = access.trusted(lab.home, machine.address)
        Path(wanted["knownHosts"]).write_text("".join(f"{line}\n" for line in fresh))
    finally:
        access.trust(lab.home, machine.address, known)


def boot(lab: Lab, name: str) -> None:
    """Power the machine *name* off and on again."""
    machine = _compute(lab, name)
    nspawn.stop(machine, POWER_OFF_SECONDS)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    _plug(lab, name)


def _compute(lab: Lab, name: str) -> nspawn.Machine:
    if name not in lab.computes:
        raise SettingsError(f"{name} is no compute host of the lab: {', '.join(lab.computes)}")
    return cloud.compute(lab, name)


def _plug(lab: Lab, name: str) -> None:
    disks.plug(lab, name)
    nfs.plug(lab, name)
