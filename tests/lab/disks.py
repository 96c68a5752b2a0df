"""A compute host's own disk for its servers' data, which outlasts its system.

An image on this host behind a loop device, whose number the machine gets as hardware would: a
machine that was made anew has to be given it again.
"""

from __future__ import annotations

import json
from pathlib import Path

from infra.nspawn.command import run
from tests.lab.remote import script
from tests.lab.settings import Lab

INSTANCES = "/var/lib/nova/instances"
SIZE = "8G"
PLUG = """set -e
test -e {device} || mknod -m 660 {device} b 7 {number}
mkdir -p /dev/disk/by-uuid
ln -sf {device} /dev/disk/by-uuid/{uuid}
"""
MOVE = """set -e
systemctl stop nova-compute
mount UUID={uuid} /mnt
cp -a {folder}/. /mnt
umount /mnt
echo 'UUID={uuid} {folder} ext4 defaults,nofail 0 2' >>/etc/fstab
mount {folder}
systemctl start nova-compute
"""


def give(lab: Lab, name: str) -> None:
    """Let the data of servers on *name*, of which none may run, lie on a disk of their own."""
    image = _image(lab, name)
    image.parent.mkdir(exist_ok=True)
    run("truncate", "-s", SIZE, str(image))
    run("mkfs.ext4", "-q", str(image))
    run("losetup", "--find", str(image))
    plug(lab, name)
    script(lab, name, MOVE.format(uuid=_uuid(image), folder=INSTANCES))


def plug(lab: Lab, name: str) -> None:
    """Let *name* see its disk, if it has one."""
    image = _image(lab, name)
    if not image.exists():
        return
    listed = run("losetup", "--json", "--output", "NAME", "--associated", str(image))
    (device,) = (one["name"] for one in json.loads(listed)["loopdevices"])
    number = device.removeprefix("/dev/loop")
    script(lab, name, PLUG.format(device=device, number=number, uuid=_uuid(image)))


def _uuid(image: Path) -> str:
    return run("blkid", "-o", "value", "-s", "UUID", str(image)).strip()


def _image(lab: Lab, name: str) -> Path:
    return lab.home / "disks" / f"{name}.img"
