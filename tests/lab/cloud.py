"""The lab as a whole: up, down, and whether it is healthy."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from infra import nspawn
from infra.nspawn import bridge, layers
from infra.nspawn.machine import Machine
from migrate.errors import MigrateError
from tests.lab import (
    configuration,
    content,
    guest,
    host,
    identity,
    leftovers,
    load,
    on_ceph,
    packages,
    prepared,
    units,
)
from tests.lab.ceph import cluster
from tests.lab.remote import script
from tests.lab.settings import NOTE, CephLab, Lab, standing
from tests.lab.stages import stage

AGENTS = ("dhcp", "l3", "metadata")
HEARD_SECONDS = 120.0


def stand_up(lab: Lab) -> None:
    """Bring the source cloud up with its content; what is whole and healthy is left alone.

    Of two processes that ask for it one makes it, and the other waits.
    """
    with alone(lab):
        refuse_another(lab)
        if not is_healthy(lab, HEARD_SECONDS):
            remove(lab)
            _build(lab)
        content.make(lab)


def refuse_another(lab: Lab) -> None:
    """MigrateError where a lab of another kind stands: it may be somebody's."""
    if nspawn.left_in(lab.home) and standing(lab.home) != lab.storage:
        raise MigrateError(f"another kind of lab stands in {lab.home}; `make lab-down` first")


def down(lab: Lab) -> None:
    """Leave nothing of the lab on this host, whatever there is; caches stay."""
    with alone(lab):
        remove(lab)
    if left := leftovers.find(lab):
        raise MigrateError(f"the lab left on this host: {', '.join(left)}")


def _build(lab: Lab) -> None:
    with stage("host packages"):
        host.install_packages()
    with stage("layers"), ThreadPoolExecutor() as pool:
        layers.bare()
        jobs: list[Future[Any]] = [pool.submit(packages.controller, lab)]
        jobs += [pool.submit(packages.compute, lab), pool.submit(guest.image)]
        for job in jobs:
            job.result()
    nspawn.access.prepare(lab.home)
    if lab.storage:
        (lab.home / NOTE).write_text(lab.storage)
    with stage("prepared controller"):
        machines = _machines(lab)
    with stage("machines booted"):
        _boot(lab, machines)
    if isinstance(lab, CephLab):
        on_ceph.form(lab)
    identity.write_clouds(lab, {"admin": "admin"})
    with stage("services started"):
        _start_services(lab)
    with stage("services heard"):
        _wait_for_services(lab)
    _whole(lab).touch()


def spoil(lab: Lab) -> None:
    """It will not be the source again: whoever wants that builds it anew."""
    _whole(lab).unlink(missing_ok=True)


def remove(lab: Lab) -> None:
    load.stop(lab)
    for name in {*nspawn.left_in(lab.home), *lab.addresses}:
        nspawn.remove(lab.home, name)
    bridge.delete(lab.host_bridge)
    host.remove_state(lab.home)


@contextmanager
def alone(lab: Lab) -> Iterator[None]:
    """Two processes must not build or remove the same lab at a time."""
    with layers.locked(Path("/run", f"{lab.bridge}.lock")):
        yield


def is_healthy(lab: Lab, patience: float = 0.0) -> bool:
    """Whether it was built to the end, every machine runs and every service is heard.

    A cloud that runs may have just come back from a target: it has *patience* seconds to answer.
    """
    names = lab.addresses.keys() - {lab.target}
    if not _whole(lab).exists() or not bridge.exists(lab.host_bridge):
        return False
    if content.begun(lab).exists() and not content.path(lab).exists():
        return False
    if any(not nspawn.is_running_in(lab.home, name) for name in names):
        return False
    deadline = time.monotonic() + patience
    while wrong := silent_apis(lab) or _missing(lab) or _unwell(lab):
        if time.monotonic() > deadline:
            print("the lab is not healthy:", ", ".join(wrong))
            return False
        time.sleep(2)
    return True


def _missing(lab: Lab) -> list[str]:
    """Services and agents that are not heard; a word for a keystone that lets nobody in."""
    try:
        return _unheard(lab, identity.wait_for_keystone(lab, 10))
    except (MigrateError, SDKException, ClientException) as error:
        return [str(error)]


def _unwell(lab: Lab) -> list[str]:
    """What the cluster beneath says of itself, where there is one."""
    told = cluster.unclean(lab) if isinstance(lab, CephLab) else ""
    return [told] if told else []


def silent_apis(lab: Lab) -> list[str]:
    """Names of APIs that do not answer on the virtual IP."""
    ports = units.proxied(lab.services)
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda port: _answers(lab.vip, port), ports.values())
        found = dict(zip(ports, answers, strict=True))
    return [name for name, answers in found.items() if not answers]


def _whole(lab: Lab) -> Path:
    return lab.home / "whole"


def _answers(address: str, port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://{address}:{port}/", timeout=10).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


def _machines(lab: Lab) -> list[Machine]:
    """Controller, computes and the cluster's, made but not started."""
    lab.shared_volumes.mkdir(mode=0o777, parents=True, exist_ok=True)
    lab.shared_volumes.chmod(0o777)
    bridge.create(lab.host_bridge)
    controller = _machine(lab, lab.controller, prepared.controller(lab), "/var/lib/cinder/mnt")
    machines = [controller, *(compute(lab, name) for name in lab.computes)]
    return machines + (cluster.machines(lab) if isinstance(lab, CephLab) else [])


def compute(lab: Lab, name: str) -> Machine:
    """The compute host *name* as the lab first makes it, before it is configured."""
    below = (*packages.compute(lab), layers.bare())
    return _machine(lab, name, below, "/var/lib/nova/mnt")


def _machine(lab: Lab, name: str, below: tuple[Path, ...], mounts: str) -> Machine:
    return Machine(
        name=name,
        address=lab.addresses[name],
        bridge=lab.host_bridge,
        home=lab.home,
        layers=below,
        binds={lab.shared_volumes: f"{mounts}/{lab.share_folder}"},
        hosts=lab.hosts,
    )


def _boot(lab: Lab, machines: list[Machine]) -> None:
    for machine in machines:
        nspawn.create(machine)
        if machine.name in lab.computes:
            configuration.write_compute(lab, machine.name, machine.root)
        nspawn.start(machine)
    for machine in machines:
        nspawn.wait_for_ssh(machine)


def _start_services(lab: Lab) -> None:
    text = configuration.rendered(lab, lab.controller, "start-controller.sh")
    script(lab, lab.controller, text)
    compute = "systemctl enable -q --now provider-bridge taps-up\nsystemctl enable -q --now"
    units = "neutron-openvswitch-agent nova-compute"
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: script(lab, name, f"{compute} {units}"), lab.computes))


def _wait_for_services(lab: Lab, seconds: float = 300) -> None:
    """Every API answers; every compute host is up and known to its cell."""
    deadline = time.monotonic() + seconds
    cloud = identity.wait_for_keystone(lab)
    missing: list[str] = ["all"]
    while missing:
        if time.monotonic() > deadline:
            raise MigrateError(f"the lab does not come up; missing: {', '.join(missing)}")
        missing = silent_apis(lab) or _unheard(lab, cloud)
        time.sleep(0.5)
    as_nova = "setpriv --reuid nova --regid nova --init-groups"
    script(lab, lab.controller, f"{as_nova} nova-manage cell_v2 discover_hosts")


def _unheard(lab: Lab, cloud: Any) -> list[str]:
    """Services and agents that do not run, by the cloud's own account."""
    try:
        heard = {
            f"{one.binary} {one.host}" for one in cloud.compute.services() if one.state == "up"
        }
        heard |= {f"{one.binary} {one.host}" for one in cloud.network.agents() if one.is_alive}
    except (SDKException, ClientException) as error:
        return [str(error)]
    wanted = {f"nova-compute {name}" for name in lab.computes}
    wanted |= {f"neutron-openvswitch-agent {n}" for n in (*lab.computes, lab.controller)}
    here = ("nova-scheduler", "nova-conductor", *(f"neutron-{one}-agent" for one in AGENTS))
    return sorted((wanted | {f"{binary} {lab.controller}" for binary in here}) - heard)
