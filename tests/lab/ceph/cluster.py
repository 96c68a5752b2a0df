"""The rig as a whole: up, down, and whether it is healthy."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra import nspawn
from infra.nspawn import Machine, bridge, command
from migrate.cloud import wait
from migrate.errors import CommandError, MigrateError
from tests.lab import cloud, host
from tests.lab.ceph import gateway, packages
from tests.lab.ceph.settings import CephRig
from tests.lab.remote import script, ssh
from tests.lab.stages import stage

FILES = Path(__file__).with_name("files")
BOOTSTRAP = "/var/lib/ceph/bootstrap-osd/ceph.keyring"
USERS = {"images": "glance", "volumes": "cinder", "vms": "nova", "backups": "cinder-backup"}
DISK_SIZE = "4G"
CLEAN, CLEAN_SECONDS = "active+clean", 120


def up(rig: CephRig) -> None:
    """Bring the cluster up with its content; one that is whole and healthy is left alone."""
    with cloud.alone(rig):
        if not is_healthy(rig):
            cloud.remove(rig)
            _build(rig)


def down(rig: CephRig) -> None:
    """Leave nothing of it on this host, whatever there is; caches stay."""
    cloud.down(rig)


def is_healthy(rig: CephRig) -> bool:
    """Whether it was built to the end, every machine runs and the cluster has nothing to say."""
    running = all(nspawn.is_running_in(rig.home, name) for name in rig.addresses)
    return _whole(rig).exists() and bridge.exists(rig.host_bridge) and running and not unclean(rig)


def unclean(rig: CephRig) -> str:
    """What the cluster says of itself that is not health; "" when all is well."""
    try:
        said = json.loads(ssh(rig, rig.monitor, "timeout 20 ceph -f json status"))
    except (CommandError, subprocess.TimeoutExpired) as error:
        return str(error)
    groups, health = said["pgmap"], said["health"]
    clean = sum(
        one["count"] for one in groups.get("pgs_by_state", []) if one["state_name"] == CLEAN
    )
    if clean == groups["num_pgs"] > 0 and health["status"] == "HEALTH_OK":
        return ""
    return f"{clean} of {groups['num_pgs']} groups clean, {health['status']} {[*health['checks']]}"


def checksums(rig: CephRig) -> dict[str, str]:
    """What is in each image of each pool but the writer's, by its own user."""
    found = {}
    for pool, user in USERS.items():
        names = ssh(rig, rig.client, f"rbd --id {user} ls {pool}").split()
        for name in (one for one in names if one != "live"):
            export = f"rbd --id {user} export --no-progress {pool}/{name} - | sha256sum"
            found[f"{pool}/{name}"] = ssh(rig, rig.client, export).split()[0]
    return found


def run(rig: CephRig, name: str, program: str, **values: str) -> str:
    """A script of `files/` on machine *name*, with *values* as its variables."""
    given = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    return script(rig, name, given + (FILES / program).read_text())


def put(rig: CephRig, name: str, contents: Mapping[str, str], mode: str = "600") -> None:
    """Write files on machine *name*, by path."""
    for path, text in contents.items():
        ssh(rig, name, f"install -D -m {mode} /dev/stdin {path}", stdin=text)


def _build(rig: CephRig) -> None:
    with stage("host packages"):
        host.install_packages()
    with stage("layers"):
        machines = _machines(rig)
    nspawn.access.prepare(rig.home)
    with stage("machines booted"):
        bridge.create(rig.host_bridge)
        for machine in machines:
            nspawn.create(machine)
            nspawn.start(machine)
        for machine in machines:
            nspawn.wait_for_ssh(machine)
    with stage("monitor and manager"):
        for name in (rig.monitor, *rig.osd_hosts, rig.client):
            put(rig, name, {"/etc/ceph/ceph.conf": _configuration(rig)}, "644")
        address = rig.addresses[rig.monitor]
        run(rig, rig.monitor, "monitor.sh", NAME=rig.monitor, ADDRESS=address, FSID=rig.fsid)
    with stage("OSDs"), ThreadPoolExecutor() as pool:
        key = ssh(rig, rig.monitor, f"cat {BOOTSTRAP}")
        list(pool.map(lambda name: _osds(rig, name, key), rig.osd_hosts))
    with stage("pools and users"):
        run(rig, rig.monitor, "pools.sh")
        paths = [f"/etc/ceph/ceph.client.{user}.keyring" for user in USERS.values()]
        put(rig, rig.client, {path: ssh(rig, rig.monitor, f"cat {path}") for path in paths})
    with stage("content"):
        run(rig, rig.client, "content.sh")
    with stage("gateway"):
        port, tenant = str(gateway.PORT), gateway.TENANT
        run(rig, rig.monitor, "gateway.sh", NAME=rig.monitor, PORT=port, TENANT=tenant)
        gateway.fill(rig)
    with stage("clean"):
        wait_until_clean(rig)
    _whole(rig).touch()


def wait_until_clean(rig: CephRig, seconds: float = CLEAN_SECONDS) -> None:
    """Return when the cluster is well; MigrateError with what it says after *seconds*."""
    if wrong := wait.while_any(lambda: unclean(rig), seconds, pause=1):
        raise MigrateError(f"the cluster does not become well: {wrong}")


def _osds(rig: CephRig, name: str, key: str) -> None:
    """One on a disk, one in a folder: what comes back by its label, and what by its place."""
    put(rig, name, {BOOTSTRAP: key})
    run(rig, name, "osd-raw.sh", NUMBER=_disk(rig, name))
    run(rig, name, "osd.sh")


def disk_of(rig: CephRig, name: str) -> str:
    """The device that is the disk of *name*."""
    return command.run("losetup", "-n", "-O", "NAME", "-j", str(_image(rig, name))).strip()


def plug(rig: CephRig, name: str) -> None:
    """Let a machine that has booted have its disk, as hardware has by itself."""
    device = disk_of(rig, name)
    number = device.removeprefix("/dev/loop")
    ssh(rig, name, f"test -e {device} || mknod -m 660 {device} b 7 {number}")


def spoil(rig: CephRig) -> None:
    """It is not the old cluster any more: whoever wants that builds it anew."""
    _whole(rig).unlink(missing_ok=True)


def _image(rig: CephRig, name: str) -> Path:
    return rig.home / "disks" / f"{name}.img"


def _disk(rig: CephRig, name: str) -> str:
    """The number of the loop device on the disk of *name*, made now; `down` lets it go."""
    image = _image(rig, name)
    image.parent.mkdir(exist_ok=True)
    command.run("truncate", "-s", DISK_SIZE, str(image))
    device = command.run("losetup", "--find", "--show", str(image)).strip()
    return device.removeprefix("/dev/loop")


def _configuration(rig: CephRig) -> str:
    return (
        (FILES / "ceph.conf")
        .read_text()
        .format(
            fsid=rig.fsid,
            monitor=rig.monitor,
            address=rig.addresses[rig.monitor],
            network=rig.network,
        )
    )


def _machines(rig: CephRig) -> list[Machine]:
    old, new = packages.old(), packages.new()
    return [
        machine(rig, rig.monitor, old),
        *(machine(rig, name, old) for name in rig.osd_hosts),
        machine(rig, rig.client, old),
        machine(rig, rig.target, new),
    ]


def machine(rig: CephRig, name: str, below: tuple[Path, ...]) -> Machine:
    """The machine *name* of these layers; an OSD host has its data beside them."""
    binds = {}
    if name in rig.osd_hosts:
        rig.data(name).mkdir(parents=True, exist_ok=True)
        binds = {rig.data(name): "/srv/osd"}
    return Machine(
        name=name,
        address=rig.addresses[name],
        bridge=rig.host_bridge,
        home=rig.home,
        layers=below,
        binds=binds,
        hosts=rig.addresses,
    )


def _whole(rig: CephRig) -> Path:
    return rig.home / "whole"
