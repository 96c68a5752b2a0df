"""A cluster of the source's release in machines that have booted, and what it says of itself."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.nspawn import Machine, command
from migrate.cloud import wait
from migrate.errors import CommandError, MigrateError
from tests.lab.ceph import packages
from tests.lab.remote import script, ssh
from tests.lab.settings import CephLab
from tests.lab.stages import stage

FILES = Path(__file__).with_name("files")
BOOTSTRAP = "/var/lib/ceph/bootstrap-osd/ceph.keyring"
USERS = {"images": "glance", "volumes": "cinder", "vms": "nova", "backups": "cinder-backup"}
CLEAN, CLEAN_SECONDS = "active+clean", 120


def unclean(rig: CephLab) -> str:
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


def checksums(rig: CephLab) -> dict[str, str]:
    """What is in each image of each pool but the writer's, by its own user."""
    return {name: _checksum(rig, user, name) for user, name in _images(rig)}


def snapshots(rig: CephLab) -> dict[str, str]:
    """What was in them at each of their snapshots."""
    found = {}
    for user, name in _images(rig):
        told = ssh(rig, rig.client, f"rbd --id {user} --format json snap ls {name}")
        for each in (f"{name}@{one['name']}" for one in json.loads(told)):
            found[each] = _checksum(rig, user, each)
    return found


def _images(rig: CephLab) -> Iterator[tuple[str, str]]:
    for pool, user in USERS.items():
        names = ssh(rig, rig.client, f"rbd --id {user} ls {pool}").split()
        yield from ((user, f"{pool}/{name}") for name in names if name != "live")


def _checksum(rig: CephLab, user: str, name: str) -> str:
    # not sha256sum, which takes five times as long for the empty gigabytes of a lab's volumes
    hash_ = "openssl dgst -sha256 -r"
    export = f"set -o pipefail; rbd --id {user} export --no-progress {name} - | {hash_}"
    return ssh(rig, rig.client, export).split()[0]


def run(rig: CephLab, name: str, program: str, **values: str) -> str:
    """A script of `files/` on machine *name*, with *values* as its variables."""
    given = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    return script(rig, name, given + (FILES / program).read_text())


def put(
    rig: CephLab, name: str, contents: Mapping[str, str], mode: str = "600", group: str = "root"
) -> None:
    """Write files on machine *name*, by path."""
    for path, text in contents.items():
        ssh(rig, name, f"install -D -m {mode} -g {group} /dev/stdin {path}", stdin=text)


def form(rig: CephLab) -> None:
    """Monitor and manager, OSDs, pools and users, on machines that have booted."""
    with stage("monitor and manager"):
        for name in (rig.monitor, *rig.osd_hosts):
            configure(rig, name)
        address = rig.addresses[rig.monitor]
        run(rig, rig.monitor, "monitor.sh", NAME=rig.monitor, ADDRESS=address, FSID=rig.fsid)
    with stage("OSDs"), ThreadPoolExecutor() as pool:
        key = ssh(rig, rig.monitor, f"cat {BOOTSTRAP}")
        list(pool.map(lambda name: _osds(rig, name, key), rig.osd_hosts))
    with stage("pools and users"):
        run(rig, rig.monitor, "pools.sh")


def configure(rig: CephLab, name: str) -> None:
    """Let machine *name* know where the cluster is."""
    put(rig, name, {"/etc/ceph/ceph.conf": configuration(rig)}, "644")


def admit(rig: CephLab, name: str, users: Mapping[str, str]) -> None:
    """Let machine *name* be a client: the key of each of *users* is for the group that it names."""
    configure(rig, name)
    for user, group in users.items():
        path = keyring(user)
        put(rig, name, {path: ssh(rig, rig.monitor, f"cat {path}")}, "640", group)


def keyring(user: str) -> str:
    """Where the key of *user* is, on every machine that has it."""
    return f"/etc/ceph/ceph.client.{user}.keyring"


def wait_until_clean(rig: CephLab, seconds: float = CLEAN_SECONDS) -> None:
    """Return when the cluster is well; MigrateError with what it says after *seconds*."""
    if wrong := wait.while_any(lambda: unclean(rig), seconds, pause=1):
        raise MigrateError(f"the cluster does not become well: {wrong}")


def _osds(rig: CephLab, name: str, key: str) -> None:
    """One on a disk, one in a folder: what comes back by its label, and what by its place."""
    put(rig, name, {BOOTSTRAP: key})
    run(rig, name, "osd-raw.sh", NUMBER=_disk(rig, name))
    run(rig, name, "osd.sh")


def disk_of(rig: CephLab, name: str) -> str:
    """The device that is the disk of *name*."""
    return command.run("losetup", "-n", "-O", "NAME", "-j", str(_image(rig, name))).strip()


def plug(rig: CephLab, name: str) -> None:
    """Let a machine that has booted have its disk, as hardware has by itself."""
    device = disk_of(rig, name)
    number = device.removeprefix("/dev/loop")
    ssh(rig, name, f"test -e {device} || mknod -m 660 {device} b 7 {number}")


def _image(rig: CephLab, name: str) -> Path:
    return rig.home / "disks" / f"{name}.img"


def _disk(rig: CephLab, name: str) -> str:
    """The number of the loop device on the disk of *name*, made now; `down` lets it go."""
    image = _image(rig, name)
    image.parent.mkdir(exist_ok=True)
    command.run("truncate", "-s", f"{rig.osd_gib}G", str(image))
    device = command.run("losetup", "--find", "--show", str(image)).strip()
    return device.removeprefix("/dev/loop")


def configuration(rig: CephLab) -> str:
    """The ceph.conf of every machine that has to do with the cluster."""
    return (
        (FILES / "ceph.conf")
        .read_text()
        .format(
            fsid=rig.fsid,
            monitor=rig.monitor,
            address=rig.addresses[rig.monitor],
            network=rig.network,
            size=rig.osd_gib << 30,
        )
    )


def machines(rig: CephLab) -> list[Machine]:
    """Those that the cluster is on."""
    return [machine(rig, name, packages.old()) for name in (rig.monitor, *rig.osd_hosts)]


def machine(rig: CephLab, name: str, below: tuple[Path, ...]) -> Machine:
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
