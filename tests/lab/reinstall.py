"""What stands in the lab for whoever makes machines: a compute host with a new root file system.

`sidestep:settle.reinstall.command` of the lab's stack calls it; see
`migrate/computes/reinstalling/anew.py` for what it is given.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from infra import nspawn
from infra.nspawn import access, layers
from migrate.errors import SettingsError
from tests.lab import cloud, disks
from tests.lab.settings import Lab

POWER_OFF_SECONDS = 20


def make(lab: Lab, name: str, listed: Path) -> None:
    """The machine *name*, bare, or on the way back with the packages that the lab gave it.

    It has a new host key, which only the file that the list names is told.
    """
    if name not in lab.computes:
        raise SettingsError(f"{name} is no compute host of the lab: {', '.join(lab.computes)}")
    wanted = json.loads(listed.read_text())
    before = cloud.compute(lab, name)
    machine = before if wanted["back"] else replace(before, layers=(layers.bare(),))
    known = access.trusted(lab.home, machine.address)
    try:
        nspawn.stop(before, POWER_OFF_SECONDS)
        nspawn.delete(before)
        nspawn.create(machine)
        nspawn.start(machine)
        nspawn.wait_for_ssh(machine)
        disks.plug(lab, name)
        fresh = access.trusted(lab.home, machine.address)
        Path(wanted["knownHosts"]).write_text("".join(f"{line}\n" for line in fresh))
    finally:
        access.trust(lab.home, machine.address, known)
