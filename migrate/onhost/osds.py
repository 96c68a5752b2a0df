"""OSDs of this host: what they are and where their data lie, and how a fresh system adopts them.

Nothing here writes to what an OSD keeps but its own daemon, when it starts.
"""

import glob
import json
import os
import re
import shutil
from typing import Any

from migrate.onhost import ceph, disk, systemd

FOLDERS = "/var/lib/ceph/osd"
UNITS = "/etc/systemd/system"
PARTS = ("block", "block.db", "block.wal")  # what BlueStore keeps, each a file or a link
OURS = ("ceph-osd", "ceph-volume")
# A unit of its own: what an ExecStartPre mounts is not there for ExecStart.
LABELLED = """\
# Written by sidestep: what is on a raw device is told by its label, at each boot.
[Unit]
Before=ceph-osd@{id}.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ceph-volume raw activate --device {device} --no-systemd
"""
AFTER = """\
[Unit]
Requires={unit}
After={unit}
"""
UNSHOWN = "which was never shown: reinstall its host by Ceph's own means"

Osd = Any  # {"id": 3, "fsid": "...", "kind": "folder" or "raw", "place": "/dev/sdb"}


def here() -> list[Osd]:
    """Every OSD of this host; RuntimeError for one whose data a fresh system would not find."""
    return [_told(path) for path in sorted(glob.glob(f"{FOLDERS}/ceph-*"))]


def beside() -> list[str]:
    """Other daemons of Ceph that run on this host, and that a fresh system would not have."""
    asked = ("systemctl", "list-units", "--state=active", "--plain", "--no-legend", "ceph-*@*")
    names = [line.split()[0] for line in systemd.run(*asked).splitlines() if line.strip()]
    return sorted(one for one in names if one.partition("@")[0] not in OURS)


def lacks() -> str:
    """What this host has not that OSDs cannot do without, as a sentence; "" if nothing."""
    for name, package in (("ceph-osd", "ceph-osd"), ("ceph-volume", "ceph-volume")):
        if not shutil.which(name):
            return f"there is no {name}: install {package}"
    if not glob.glob("/usr/lib/*/ceph/erasure-code/libec_jerasure.so"):
        return "its erasure-code plugins are missing: install ceph-base"
    return "" if shutil.which("udevadm") else "ceph-volume needs udevadm: install udev"


def adopt(osds: list[Osd], conf: str) -> None:
    """Let the daemons of this system find those *osds*; RuntimeError where one is another."""
    for one in osds:
        _refuse_another(one)
    os.makedirs(os.path.dirname(ceph.CONF), exist_ok=True)
    if disk.text_if_there(ceph.CONF) != conf:  # its own that was put back keeps its mode
        disk.write(ceph.CONF, conf, 0o644)
    for one in osds:
        path = _folder(one)
        if one["kind"] == "folder":
            if os.path.realpath(path) != os.path.realpath(one["place"]):
                os.symlink(one["place"], path)
        else:
            unit, drop_in = _labelled(one), f"{UNITS}/{_unit(one)}.service.d"
            os.makedirs(drop_in, exist_ok=True)
            text = LABELLED.format(id=one["id"], device=one["place"])
            disk.write(f"{UNITS}/{unit}", text, 0o644)
            disk.write(f"{drop_in}/sidestep.conf", AFTER.format(unit=unit), 0o644)
    systemd.run("systemctl", "daemon-reload")


def adopted(osds: list[Osd]) -> bool:
    """Whether it was done, for all of them."""
    return all(
        os.path.realpath(_folder(one)) == os.path.realpath(one["place"])
        if one["kind"] == "folder"
        else _labelled(one) in disk.text_if_there(f"{UNITS}/{_unit(one)}.service.d/sidestep.conf")
        for one in osds
    )


def start(osds: list[Osd], seconds: float) -> list[str]:
    """Start and enable them; what does not become active is told."""
    names = [_unit(one) for one in osds]
    systemd.run("systemctl", "enable", "--quiet", *names)
    systemd.run("systemctl", "reset-failed", *names, check=False)
    return systemd.start(names, seconds)


def stop(osds: list[Osd], seconds: float) -> None:
    """End them; they start with the host again."""
    systemd.stop([_unit(one) for one in osds], seconds)


def file_system(path: str, mounts: str) -> str:
    """What is mounted at *path*, by the kernel's *mounts*; the last where several are; "" if none.

    ceph-volume puts what it reads of a raw device's label into a tmpfs.
    """
    words = [line.split() for line in mounts.splitlines()]
    return ([kind for _, place, kind, *_ in words if place == path] or [""])[-1]


def _told(path: str) -> Osd:
    id_ = int(path.rpartition("-")[2])
    block = f"{path}/block"
    if os.path.islink(path):
        place = os.path.realpath(path)
        if os.stat(place).st_dev == os.stat("/").st_dev:
            raise RuntimeError(f"osd.{id_} keeps its data in {place}, which goes with the system")
        for part in PARTS:
            where = os.path.realpath(f"{place}/{part}")
            if os.path.dirname(where) != place:  # whoever makes the host would not know of it
                raise RuntimeError(f"osd.{id_} keeps its {part} in {where}, {UNSHOWN}")
        told = {"kind": "folder", "place": place}
    elif os.path.islink(block) and os.path.ismount(path):
        place = os.path.realpath(block)
        if re.match(r"/dev/(dm-|mapper/)", place):
            raise RuntimeError(f"osd.{id_} is on LVM or encrypted ({place}), {UNSHOWN}")
        if (mounted := file_system(path, disk.text("/proc/self/mounts"))) != "tmpfs":
            raise RuntimeError(
                f"osd.{id_} is ceph-disk's, with a partition of {mounted}, {UNSHOWN}"
            )
        for part in PARTS[1:]:
            if os.path.lexists(f"{path}/{part}"):
                raise RuntimeError(f"osd.{id_} has its {part} on another device, {UNSHOWN}")
        told = {"kind": "raw", "place": os.readlink(block)}
    else:
        raise RuntimeError(f"osd.{id_} lies in {path}, which goes with the system")
    return {"id": id_, "fsid": disk.text(f"{path}/fsid").strip(), **told}


def _refuse_another(one: Osd) -> None:
    if one["kind"] == "folder":
        found = [
            disk.text_if_there(f"{one['place']}/{name}").strip() for name in ("whoami", "fsid")
        ]
    else:
        asked = ("ceph-bluestore-tool", "show-label", "--dev", one["place"])
        label = json.loads(systemd.run(*asked))[one["place"]]
        found = [str(label.get("whoami", "")), str(label.get("osd_uuid", ""))]
    if found != [str(one["id"]), one["fsid"]]:
        raise RuntimeError(
            f"{one['place']} is not osd.{one['id']} ({one['fsid']}), but {found}: give the host "
            "the disks that it had"
        )


def _folder(one: Osd) -> str:
    return f"{FOLDERS}/ceph-{one['id']}"


def _unit(one: Osd) -> str:
    return f"ceph-osd@{one['id']}"


def _labelled(one: Osd) -> str:
    return f"sidestep-osd-{one['id']}.service"
