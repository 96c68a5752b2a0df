"""What is this host's own, gathered into one folder that stands elsewhere meanwhile, and put back.

    gather(folder, patterns, accounts, units)     root's alone; pulled from here by another host
    wrong_in(folder)                              there: whether it is whole
    put_back(folder, spared)                      here again, on a system that knows nothing of it

Owners are kept by name: a fresh system numbers most of them anew.
"""

import glob
import grp
import hashlib
import json
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

from migrate.onhost import disk, exchange, record, systemd, undo

RECORD = "reinstall"  # on a system that is to go: where it is still there, nothing was made anew
LARGE = 2**26  # bytes; what is more is no configuration
MANY = 20_000  # files; a link may lead to what is no configuration either
OF_PACKAGES, OF_KERNEL = ("/usr/", "/lib"), ("/dev/", "/proc/", "/sys/", "/run/")
UNITS = "/etc/systemd/system"
MACHINE = "/etc/machine-id"
CANARY = ".sidestep-canary"
FIXED = 1000  # from here on a number is somebody's choice, and data is owned by it
OWN_OF_SWITCH = ("rundir",)  # Open vSwitch writes it anew

Row = Any  # {"path": ..., "how": "back" or "absent" or "aside", and what is there}


def gather(
    folder: str, patterns: list[list[str]], accounts: list[str], units: list[list[str]], token: str
) -> dict[str, Any]:
    """Copy what *patterns* match, each with how it is put back, into *folder*; what it says of it.

    *units* are those whose command line is noted, and those of the system that are started again.
    """
    shutil.rmtree(folder, ignore_errors=True)
    disk.make_private(f"{folder}/files")
    rows: dict[str, Row] = {}
    for path, how in _wanted(patterns).items():
        rows[path] = {"path": path, "how": how, **_taken(path, folder, len(rows))}
    names, daemons = units
    own = [os.path.basename(path) for path in rows if os.path.dirname(path) == UNITS]
    known = systemd.show([*daemons, *(one for one in own if systemd.full(one) == one)])
    told = {
        "rows": list(rows.values()),
        "names": _names(),
        "accounts": [list(pwd.getpwnam(one)) for one in accounts if _known(one)],
        "groups": {g.gr_name: [m for m in g.gr_mem if m in accounts] for g in grp.getgrall()},
        "units": exchange.running(names),
        "active": [name for name, one in known.items() if one["ActiveState"] == "active"],
        "enabled": [name for name, one in known.items() if one["UnitFileState"] == "enabled"],
        "switch": _switch(),
        "system": {**system(), "token": token},
    }
    disk.write(f"{folder}/manifest.json", json.dumps(told, indent=1), 0o600)
    return told


def mark(token: str) -> None:
    """Leave *token* on this system: one that was made anew has not got it."""
    record.save(RECORD, {"token": token})


def system() -> dict[str, Any]:
    """By what a system is told from the one after it."""
    boot = disk.text("/proc/sys/kernel/random/boot_id").strip()
    return {"boot": boot, "token": (record.load(RECORD) or {"token": ""})["token"]}


def manifest(folder: str) -> dict[str, Any]:
    """What `gather` noted."""
    found: dict[str, Any] = json.loads(disk.text(f"{folder}/manifest.json"))
    return found


def remove(folder: str) -> None:
    """Remove *folder*, and those above it that are ours and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    disk.remove_empty(os.path.dirname(folder))
    record.tidy()


def missing(patterns: list[str]) -> list[str]:
    """Those of *patterns* that match nothing here."""
    return [one for one in patterns if not glob.glob(one)]


def wrong_in(folder: str) -> list[str]:
    """Paths whose copy in *folder* is not what was noted of it."""
    return [
        row["path"]
        for row in manifest(folder)["rows"]
        if "at" in row and _digest(f"{folder}/files/{row['at']}") != row["digest"]
    ]


def changed(rows: list[Row], patterns: list[list[str]]) -> list[str]:
    """What of *patterns* is not as *rows*, of an earlier `gather`, have it; folders may be new."""
    now = _wanted(patterns)
    new = [path for path in now.keys() - {row["path"] for row in rows} if not os.path.isdir(path)]
    return sorted([*new, *(row["path"] for row in rows if not _is_here(row))])


def _wanted(patterns: list[list[str]]) -> dict[str, str]:
    """How each path is put back: of a link, and of one on the way to it, what it leads to too.

    What a package has brought is put back only where no package of the fresh system has.
    """
    found: dict[str, str] = {}
    for pattern, how in patterns:
        for path in _matching(pattern):
            found.setdefault(path, how)
            for link in _links(path):
                found.setdefault(link, "absent" if link != path else how)
            real = os.path.realpath(path)
            if real != path and _is_own(real):
                alone = "/" if pattern.endswith("/") else ""
                for one in _matching(glob.escape(real) + alone):
                    found.setdefault(one, "absent" if one.startswith(OF_PACKAGES) else how)
            if len(found) > MANY:
                raise RuntimeError(f"{pattern} leads to more than {MANY} files: no configuration")
    return found


def _links(path: str) -> list[str]:
    """Those of *path* and the folders above it that are links."""
    found = []
    while path != os.path.dirname(path):
        if os.path.islink(path):
            found.append(path)
        path = os.path.dirname(path)
    return found


def _is_own(path: str) -> bool:
    """Whether it is a file or folder of this host's disks."""
    return (
        os.path.exists(path)
        and not path.startswith(OF_KERNEL)
        and (os.path.isdir(path) or os.path.isfile(path))
    )


def _matching(pattern: str) -> Iterator[str]:
    """All that is at and below *pattern*; of one that ends in a slash the folder alone."""
    for path in sorted(glob.glob(pattern)):
        if pattern.endswith("/"):
            yield path.rstrip("/")
        elif os.path.isdir(path) and not os.path.islink(path):
            for top, below, found in os.walk(path):
                yield top
                yield from (os.path.join(top, n) for n in sorted(found) if _is_kept(top, n))
                yield from (os.path.join(top, n) for n in below if os.path.islink(f"{top}/{n}"))
        else:
            yield path


def _is_kept(top: str, name: str) -> bool:
    """Whether it is a file or a link; sockets and the like are made by who uses them."""
    mode = os.lstat(os.path.join(top, name)).st_mode
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _taken(path: str, folder: str, number: int) -> dict[str, Any]:
    about = os.lstat(path)
    if stat.S_ISLNK(about.st_mode):
        return {"to": os.readlink(path)}
    owned = {
        "mode": about.st_mode & 0o7777,
        "user": _name(pwd.getpwuid, about.st_uid),
        "group": _name(grp.getgrgid, about.st_gid),
    }
    if not stat.S_ISREG(about.st_mode):
        return owned
    if about.st_size > LARGE:
        raise RuntimeError(f"{path} has {about.st_size >> 20} MiB, which is no configuration")
    place = f"{folder}/files/{number}"
    shutil.copyfile(path, place)
    os.chmod(place, 0o600)
    return {**owned, "at": str(number), "digest": _digest(place)}


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(disk.content(path)).hexdigest()
    except FileNotFoundError:
        return ""


def _name(look: Any, number: int) -> str:
    try:
        return str(look(number)[0])
    except KeyError:
        return str(number)


def _known(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _names() -> dict[str, str]:
    """How this host calls itself: nova and libvirt name its node by one or the other."""
    return {"short": socket.gethostname(), "long": socket.getfqdn()}


def disks(instances: str) -> list[str]:
    """Files below *instances* that hold a server's disk, of one that was moved away too."""
    return sorted(glob.glob(f"{glob.escape(instances)}/*/disk*"))


def daemons_of_ceph(root: str = "/var/lib/ceph") -> list[str]:
    """["osd.3"]: daemons of Ceph whose data are here, of its packages or of cephadm."""
    packaged = glob.glob(f"{root}/osd/*-*") + glob.glob(f"{root}/mon/*-*")
    found = {".".join(path.split("/")[-2:]) for path in packaged}
    managed = glob.glob(f"{root}/*-*-*-*-*/osd.*") + glob.glob(f"{root}/*-*-*-*-*/mon.*")
    found |= {os.path.basename(path) for path in managed}
    found |= set(re.findall(r"\bceph-osd@\d+\.service|\bceph-\S+@osd\.\d+\.service", _units()))
    return sorted(found)


def _units() -> str:
    return systemd.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "ceph*")


def put_back(folder: str, spared: list[str]) -> None:
    """Put back all of *folder* but what begins with one of *spared*; RuntimeError where it cannot.

    Services of the system that it is for are started again; safe to repeat.
    """
    told = manifest(folder)
    _make_accounts(told)
    rows = [row for row in told["rows"] if _is_put_back(row, spared)]
    renumbered = any(row["path"] == MACHINE and not _is_here(row) for row in rows)
    for row in sorted(rows, key=lambda one: ("to" not in one, one["path"])):  # links lead the way
        _put(row, folder)
    _rename(told["names"])
    systemd.run("systemctl", "daemon-reload")
    if renumbered:  # it writes on under the number it started with, where journalctl does not look
        systemd.run("systemctl", "restart", "systemd-journald")
    systemd.run("systemd-tmpfiles", "--create", check=False)
    systemd.run("sysctl", "-q", "--system", check=False)
    enabled, active = (list(systemd.show(told[one])) for one in ("enabled", "active"))
    if enabled:
        systemd.run("systemctl", "enable", "-q", *enabled)
    if active:  # what a package or an image has started does not know this host's settings
        systemd.run("systemctl", "stop", *active)
    wrong = systemd.start(active, 60)
    if wrong:
        raise RuntimeError(f"{'; '.join(wrong)}; see its journal")
    _set_switch(told["switch"])
    if any(row["path"].startswith("/etc/ssh/ssh_host_") for row in rows):
        systemd.run("systemctl", "try-reload-or-restart", "ssh")
    if wrong := wrong_here(folder, spared):
        raise RuntimeError(f"not as they were kept: {', '.join(wrong)}")


def wrong_here(folder: str, spared: list[str]) -> list[str]:
    """Paths that are to be here and are not as *folder* has them."""
    return [
        row["path"]
        for row in manifest(folder)["rows"]
        if row["how"] == "back" and _is_put_back(row, spared) and not _is_here(row)
    ]


def _is_put_back(row: Row, spared: list[str]) -> bool:
    if row["how"] == "aside" or row["path"].startswith(tuple(spared)):
        return False
    return row["how"] == "back" or not os.path.lexists(row["path"])


def _is_here(row: Row) -> bool:
    path = row["path"]
    if "to" in row:
        return os.path.islink(path) and os.readlink(path) == row["to"]
    if not os.path.lexists(path):
        return False
    about = os.stat(path)
    owner = _name(pwd.getpwuid, about.st_uid), _name(grp.getgrgid, about.st_gid)
    same = owner == (row["user"], row["group"]) and about.st_mode & 0o7777 == row["mode"]
    return same and ("at" not in row or _digest(path) == row["digest"])


def _put(row: Row, folder: str) -> None:
    if "to" in row:
        _link(row["path"], row["to"])
        return
    path = os.path.realpath(row["path"])
    for missing_ in undo.folders(path):
        os.mkdir(missing_["path"], 0o755)
    numbers = _number(pwd.getpwnam, row["user"]), _number(grp.getgrnam, row["group"])
    if "at" in row:
        text = disk.text(f"{folder}/files/{row['at']}")
        disk.write(path, text, row["mode"], numbers)
    else:
        os.makedirs(path, exist_ok=True)
        os.chown(path, *numbers)
        os.chmod(path, row["mode"])


def _link(path: str, to: str) -> None:
    """Let *path* lead to *to*; RuntimeError where a folder that is in use stands there."""
    for missing_ in undo.folders(path):
        os.mkdir(missing_["path"], 0o755)
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        try:
            os.rmdir(path)
        except OSError:
            raise RuntimeError(
                f"{path} is a folder with files here and was a link to {to}: move it away"
            ) from None
    os.symlink(to, path)


def _number(look: Any, name: str) -> int:
    """The number of account *name*; RuntimeError where it is not here."""
    if name.isdigit():
        return int(name)
    try:
        return int(look(name)[2])
    except KeyError:
        raise RuntimeError(f"there is no account {name} here, which owns what was kept") from None


def _make_accounts(told: dict[str, Any]) -> None:
    for name, _, uid, gid, _, home, shell in told["accounts"]:
        if not _known(name):
            group = ["-g", str(gid)] if _free(grp.getgrgid, gid, name) else []
            user = ["-u", str(uid)] if _free(pwd.getpwuid, uid, name) else []
            systemd.run("groupadd", "-f", "-r", *group, name)
            systemd.run("useradd", "-r", *user, "-g", name, "-M", "-d", home, "-s", shell, name)
        if uid >= FIXED and pwd.getpwnam(name).pw_uid != uid:
            here = pwd.getpwnam(name).pw_uid
            raise RuntimeError(f"{name} has number {here} here and had {uid}, by which data is its")
    here_ = {one.gr_name for one in grp.getgrall()}
    for group_, members in told["groups"].items():
        for name in members:
            if group_ in here_:
                systemd.run("usermod", "-a", "-G", group_, name)


def _free(look: Any, number: int, name: str) -> bool:
    try:
        holder = look(number)[0]
    except KeyError:
        return True
    if number >= FIXED and holder != name:
        raise RuntimeError(f"number {number}, which {name} needs, is {holder}'s here")
    return bool(holder == name)


def _rename(names: dict[str, str]) -> None:
    """The host calls itself as before; RuntimeError where it does not."""
    systemd.run("hostname", "-F", "/etc/hostname")
    if _names() != names:
        raise RuntimeError(
            f"it calls itself {_names()} and was {names}: nova would take it for another host"
        )


def _switch() -> dict[str, Any]:
    """What Open vSwitch was told of this host; {} where there is none."""
    if not shutil.which("ovs-vsctl"):
        return {}
    asked = ("--format=json", "--columns=external_ids,other_config", "list", "Open_vSwitch")
    rows = json.loads(systemd.run("ovs-vsctl", *asked))["data"]
    found = {
        column: {key: value for key, value in told[1] if key not in OWN_OF_SWITCH}
        for column, told in zip(("external_ids", "other_config"), rows[0])
    }
    return {**found, "managers": systemd.run("ovs-vsctl", "get-manager").split()}


def _set_switch(told: dict[str, Any]) -> None:
    for column in ("external_ids", "other_config"):
        for key, value in told.get(column, {}).items():
            pair = f"{column}:{json.dumps(key)}={json.dumps(value)}"
            systemd.run("ovs-vsctl", "set", "Open_vSwitch", ".", pair)
    if told.get("managers"):
        systemd.run("ovs-vsctl", "set-manager", *told["managers"])


def own_disk(path: str) -> dict[str, str]:
    """The file system of its own, named by UUID, that *path* lies on; why it is none, else:

        {"mount": "/var/lib/nova/instances", "uuid": "6f...", "line": "UUID=6f... ext4 ..."}
    {"why": "/var/lib/nova/instances lies on the system's own disk"}
    """
    if not os.path.isdir(path):
        return {"why": f"there is no {path}"}
    mount = os.path.realpath(path)
    while not os.path.ismount(mount):
        mount = os.path.dirname(mount)
    if mount == "/":
        return {"why": f"{path} lies on the system's own disk"}
    uuid = systemd.run("findmnt", "-n", "-o", "UUID", "--mountpoint", mount, check=False).strip()
    lines = [line.split() for line in disk.text_if_there("/etc/fstab").splitlines()]
    for words in lines:
        named = words[:1] in ([f"UUID={uuid}"], [f"/dev/disk/by-uuid/{uuid}"])
        if uuid and named and words[1:2] == [mount]:
            return {"mount": mount, "uuid": uuid, "line": " ".join(words)}
    return {"why": f"{mount} is not named by UUID in /etc/fstab"}


def plant(mount: str, token: str) -> None:
    """Leave *token* on the file system of *mount*."""
    disk.write(f"{mount}/{CANARY}", token + "\n", 0o600)


def mount_again(own: dict[str, str], token: str) -> None:
    """Mount what `own_disk` told; RuntimeError unless it is the one where *token* was planted."""
    mount = own["mount"]
    fstab = disk.text_if_there("/etc/fstab")
    if own["line"] not in [" ".join(line.split()) for line in fstab.splitlines()]:
        disk.write("/etc/fstab", f"{fstab.rstrip()}\n{own['line']}\n".lstrip(), 0o644)
    os.makedirs(mount, exist_ok=True)
    if not os.path.ismount(mount):
        done = subprocess.run(["mount", mount], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{mount} ({own['uuid']}) cannot be mounted: {done.stderr.strip()}")
    if disk.text_if_there(f"{mount}/{CANARY}").strip() != token:
        raise RuntimeError(f"{mount} is not the disk that was there: what was planted is not found")


def pull_out(mount: str) -> None:
    """Remove what `plant` left."""
    disk.remove(f"{mount}/{CANARY}")
