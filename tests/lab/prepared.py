"""The controller after its preparation, kept as one more cached layer.

Configuration, database and broker users, schemas, keystone's bootstrap and catalogue: all that is
the same each time. The lab and the rig then only boot.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from infra import nspawn
from infra.nspawn import Machine, bridge, layers
from tests.lab import configuration, identity, packages
from tests.lab.remote import script, ssh
from tests.lab.settings import Lab
from tests.lab.stages import stage

RECIPE = ("configuration.py", "identity.py", "prepared.py", "settings.py", "units.py")
DAEMONS = "keystone glance-api haproxy rabbitmq-server mariadb openvswitch-switch"


def controller(lab: Lab) -> tuple[Path, ...]:
    """Layers of the lab's prepared controller, topmost first; made when the cache has none."""
    below = packages.controller(lab)
    key = layers.digest(below[0].name, *basis(lab))
    machine = machine_on(lab, lab.controller, *below)
    top = snapshot("prepared", key, lab, machine, lambda made: prepare(lab, made))
    return (top, *below, layers.bare())


def basis(lab: Lab) -> tuple[str, ...]:
    """Everything but the packages that decides what a prepared controller is."""
    here = Path(__file__).parent
    code = "".join((here / name).read_text() for name in RECIPE)
    return (configuration.digest(replace(lab, home=Path(lab.home.name))), code)


def machine_on(lab: Lab, name: str, *below: Path) -> Machine:
    """The lab's machine *name* on layers of the cache, topmost first, and the bare one."""
    return Machine(
        name=name,
        address=lab.addresses[name],
        bridge=lab.host_bridge,
        home=lab.home,
        layers=(*below, layers.bare()),
        hosts=lab.hosts,
    )


def snapshot(
    name: str, key: str, lab: Lab, machine: Machine, work: Callable[[Machine], None]
) -> Path:
    """The cached layer of what *work* leaves on *machine*, which it makes, boots and stops.

    When *work* fails the machine stays, to be looked at.
    """

    def build(target: Path) -> None:
        bridge.create(lab.host_bridge)
        nspawn.delete(machine)
        nspawn.create(machine)
        work(machine)
        nspawn.stop(machine, 0)
        nspawn.unmount(machine)
        upper = machine.folder / "upper"
        for child in upper.iterdir():
            shutil.move(child, target / child.name)
        shutil.copystat(upper, target)
        nspawn.delete(machine)

    return layers.cached(name, key, build)


def prepare(lab: Lab, machine: Machine, *, halt_after: bool = True) -> None:
    """Configure and boot the controller, make schemas and keystone's own objects, stop it."""
    name = machine.name
    configuration.write_controller(lab, machine.root)
    with stage("prepare: boot"):
        nspawn.start(machine)
        nspawn.wait_for_ssh(machine)

    def run(template: str) -> None:
        with stage(f"prepare: {template}"):
            script(lab, name, configuration.rendered(lab, name, template))

    run("prepare-infra.sh")
    with ThreadPoolExecutor() as lanes:
        jobs = [lanes.submit(run, f"prepare-{lane}.sh") for lane in ("first", "second")]
        jobs.append(lanes.submit(identity.create_service_objects, lab))
        for job in jobs:
            job.result()
    if halt_after:
        with stage("prepare: stop"):
            halt(lab, name)


def halt(lab: Lab, name: str) -> None:
    """Stop what keeps data, in order, so that it starts clean from the snapshot."""
    ssh(lab, name, f"for unit in {DAEMONS}; do systemctl stop $unit 2>/dev/null; done; sync")
