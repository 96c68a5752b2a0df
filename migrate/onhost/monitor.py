"""A monitor of Ceph on this host: what it says, how another is made, and how one leaves.

What is made is noted first, and only what was noted is removed. A store that was made whole may
have joined, and is never made again: the quorum would take it for another monitor's.
"""

import base64
import glob
import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from typing import Any, Iterator

from migrate.onhost import ceph, disk, record, retired, systemd, undo

NOTE, FILES = "ceph-monitor", "ceph-monitor-files"
BESIDE = "ceph-monitor-beside"
ADMIN = "/etc/ceph/ceph.client.admin.keyring"
STORES = "/var/lib/ceph/mon"
SOCKETS = "/var/run/ceph/ceph-mon.*.asok"
ASK_SECONDS = 15
PLUGIN = "ceph/erasure-code/libec_jerasure.so"
LIBRARIES = ("/usr/lib/*", "/usr/lib64", "/usr/lib")


def standing() -> dict[str, Any]:
    """What this host's monitor says by its own socket, which answers without a quorum too.

    {"id": "a", "state": "leader", "quorum": ["a", "b"], "map": {...}}; {} where none runs, or one
    that hangs: the others are asked then.
    """
    for path in glob.glob(SOCKETS):
        asked = ("ceph", "--admin-daemon", path, "mon_status")
        try:
            done = subprocess.run(
                asked, capture_output=True, text=True, check=False, timeout=ASK_SECONDS
            )
        except subprocess.TimeoutExpired:
            continue
        except FileNotFoundError:
            told = "there is no `ceph` here beside a monitor: install ceph-common"
            raise RuntimeError(told) from None
        if done.returncode:
            continue  # a socket that a dead one left
        said = json.loads(done.stdout)
        names = {one["rank"]: one["name"] for one in said["monmap"]["mons"]}
        return {
            "id": said["name"],
            "state": said["state"],
            "quorum": [names[rank] for rank in said["quorum"]],
            "map": said["monmap"],
        }
    return {}


def invitation() -> dict[str, str]:
    """What a monitor needs to join that of this host: the map, keys, and this host's ceph.conf."""
    with _scratch() as folder:
        ceph.run("mon", "getmap", "-o", f"{folder}/map")
        return {
            "map": disk.encoded(f"{folder}/map"),
            "key": ceph.run("auth", "get", "mon."),
            "admin": ceph.run("auth", "get", "client.admin"),
            "conf": disk.text(ceph.CONF),
        }


def lacks() -> str:
    """What this host has not that a monitor cannot do without, as a sentence; "" if nothing."""
    if not shutil.which("ceph-mon"):
        return "there is no ceph-mon: install ceph-mon and ceph-base"
    if not any(glob.glob(f"{folder}/{PLUGIN}") for folder in LIBRARIES):
        # Debian 13's package does not depend on the one that has them
        return "its erasure-code plugins are missing, and it would not start: install ceph-base"
    return ""


def make(name: str, conf: str, invited: dict[str, str]) -> None:
    """A monitor *name* on this host, started and enabled; it joins by itself."""
    with record.locked():
        if lacks():
            raise RuntimeError(lacks())
        _begin(NOTE, name)
        undo.note(FILES, [undo.file(ceph.CONF), undo.file(ADMIN)])
        disk.write(ceph.CONF, conf, 0o644)
        disk.write(ADMIN, invited["admin"], 0o600)
        _complete(NOTE, name, invited)


def make_again(name: str, conf: str, invited: dict[str, str]) -> None:
    """`make` of one that has left the map: with its old store it would not join again."""
    with record.locked():
        systemd.stop([_unit(name)], 20)
        shutil.rmtree(_store(name), ignore_errors=True)
        record.save(NOTE, {"name": name, "whole": False})
    make(name, conf, invited)


def make_beside(name: str, conf: str, invited: dict[str, str]) -> None:
    """Another monitor *name* on this host, for as long as `succeed` has not renamed it."""
    with record.locked():
        _begin(BESIDE, name)
        disk.write(ceph.CONF, conf, 0o644)
        _complete(BESIDE, name, invited)


def succeed(beside: str, name: str, conf: str, addresses: str) -> None:
    """Let the monitor *beside*, alone in the map and at *addresses*, be *name*, which has left it.

    The map is changed in its store while it rests, in one transaction; then its store changes its
    name. Whoever is killed in between does the rest the next time.
    """
    with record.locked():
        if os.path.lexists(_store(beside)):
            with _edited(beside, starts=False) as (path, names):
                if set(names) not in ({beside}, {name}):
                    raise RuntimeError(f"the map has other monitors: {', '.join(names)}")
                if beside in names:
                    _as_ceph("monmaptool", "--rm", beside, path)
                    _as_ceph("monmaptool", "--addv", name, addresses, path)
                    if _names(path) != [name]:
                        raise RuntimeError(f"monmaptool makes no map of {name} alone: nothing done")
            systemd.take_down(_unit(beside), 20)
            systemd.take_down(_unit(name), 20)
            shutil.rmtree(_store(name), ignore_errors=True)
            os.rename(_store(beside), _store(name))
            disk.durable(STORES)
        disk.write(ceph.CONF, conf, 0o644)
        systemd.set_up(_unit(name))
        record.forget(BESIDE)


def noted() -> bool:
    """Whether `make` has made, or begun, a monitor here."""
    return record.load(NOTE) is not None


def made(name: str) -> bool:
    """Whether it runs, also after a reboot."""
    return systemd.is_set_up(_unit(name))


def quiet() -> None:
    """End the monitor that `make` has made; what it has stays."""
    ours = record.load(NOTE)
    if ours is not None:
        systemd.stop([_unit(ours["name"])], 20)


def withdraw() -> None:
    """Remove that monitor and all that came with it; nothing where nothing was made."""
    with record.locked():
        ours = record.load(NOTE)
        if ours is not None:
            systemd.take_down(_unit(ours["name"]), 20)
            shutil.rmtree(_store(ours["name"]), ignore_errors=True)
        undo.undo(FILES)
        record.forget(NOTE)  # last: until then it may be called again


def remove(name: str) -> None:
    """Let *name* leave the map, while there is a quorum to say so: else nobody answers."""
    ceph.run("mon", "rm", name, seconds=15)


def expel(name: str) -> None:
    """Take *name* out of the map of this host's monitor, the only other one, without a quorum.

    Two of two are no quorum when one is dead, and the dead one alone never is one either: it has
    confirmed nothing that this one has not. The monitor rests meanwhile, for some seconds.
    """
    with record.locked():
        if retired.noted():
            raise RuntimeError(
                "the monitor of this host is removed for good: nothing starts it again"
            )
        stores = _stores(name)
        if len(stores) != 1:
            raise RuntimeError(f"{STORES} has {len(stores)} monitors here: leave one, that runs")
        with _edited(stores[0]) as (path, names):
            if not set(names) <= {stores[0], name}:
                raise RuntimeError(f"the map has other monitors: {', '.join(names)}; start those")
            if name in names:
                _as_ceph("monmaptool", "--rm", name, path)


@contextmanager
def _edited(id_: str, starts: bool = True) -> Iterator[tuple[str, list[str]]]:
    """The map in the store of monitor *id_*, as a file to change, and its names.

    It rests meanwhile, and where all goes well from then on unless it *starts* again.
    """
    with _scratch() as folder:
        path, starts_now = f"{folder}/map", True
        systemd.stop([_unit(id_)], 20)
        try:
            _as_ceph("ceph-mon", "-i", id_, "--extract-monmap", path)
            before = disk.content(path)
            yield path, _names(path)
            if disk.content(path) != before:
                _as_ceph("ceph-mon", "-i", id_, "--inject-monmap", path)
            starts_now = starts
        finally:
            systemd.run("systemctl", "reset-failed", _unit(id_), check=False)
            if starts_now:
                systemd.run("systemctl", "start", _unit(id_))


def _names(path: str) -> list[str]:
    """Those of the monitors in the map at *path*."""
    return re.findall(r" mon\.(\S+)$", systemd.run("monmaptool", "--print", path), re.M)


def _as_ceph(*argv: str) -> None:
    """Run it as the user that owns the stores."""
    systemd.run("runuser", "-u", "ceph", "--", *argv)


def _begin(note: str, name: str) -> None:
    """Note monitor *name*, before anything of it is made."""
    if record.load(note) is None and os.path.lexists(_store(name)):
        raise RuntimeError(
            f"{_store(name)} is there and was not made by this program: move it aside, or give the "
            "new monitor another name"
        )
    ours = record.once(note, lambda: {"name": name, "whole": False})
    if ours["name"] != name:
        raise RuntimeError(f"a monitor {ours['name']} was made here: let it leave first")


def _complete(note: str, name: str, invited: dict[str, str]) -> None:
    if not (record.load(note) or {})["whole"]:
        _make_store(name, invited)
        record.save(note, {"name": name, "whole": True})
    systemd.set_up(_unit(name))


def _make_store(name: str, invited: dict[str, str]) -> None:
    store = _store(name)
    shutil.rmtree(store, ignore_errors=True)  # half of one
    os.makedirs(store, 0o750)
    shutil.chown(store, "ceph", "ceph")
    with _scratch() as folder:
        map_, key = f"{folder}/map", f"{folder}/key"
        for path, content in (
            (map_, base64.b64decode(invited["map"])),
            (key, invited["key"].encode()),
        ):
            with open(path, "wb") as stream:
                os.fchmod(stream.fileno(), 0o600)
                stream.write(content)
            shutil.chown(path, "ceph", "ceph")
        _as_ceph("ceph-mon", "--mkfs", "-i", name, "--monmap", map_, "--keyring", key)
    for top, _, files in os.walk(store):
        for one in (top, *(os.path.join(top, file) for file in files)):
            disk.durable(one)  # the note that it is whole must not outlast it


def _stores(but: str) -> list[str]:
    """Ids of the monitors of this host, but of one."""
    found = [one.partition("-")[2] for one in os.listdir(STORES) if one.startswith("ceph-")]
    return [one for one in found if one != but]


def _store(name: str) -> str:
    return f"{STORES}/ceph-{name}"


def _unit(name: str) -> str:
    return f"ceph-mon@{name}"


@contextmanager
def _scratch() -> Iterator[str]:
    """A folder that root and Ceph's daemons alone may enter."""
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, pwd.getpwnam("ceph").pw_uid, grp.getgrnam("ceph").gr_gid)
        yield folder
