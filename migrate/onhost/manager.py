"""A manager of Ceph on this host: how another is made, and how one leaves.

What is made is noted first, and only what was noted is removed.
"""

import os
import re
import shutil
from importlib import metadata
from typing import Any

from migrate.onhost import disk, record, systemd, undo

NOTE, FILES = "ceph-manager", "ceph-manager-files"
FOLDERS = "/var/lib/ceph/mgr"
MODULES = "/usr/share/ceph/mgr/mgr_util.py"
RUST = 4  # from this release on bcrypt is written in it
DROP_IN = "/etc/systemd/system/ceph-mgr@.service.d/sidestep.conf"
# Each module has an interpreter of its own, and what is written in Rust loads into one only: all
# that import `mgr_util` would fail. It is the dashboard's passwords alone that need bcrypt.
MEND = f"sed -i 's/^import bcrypt$/bcrypt = None/' {MODULES}"
MENDED = f"""\
# Written by sidestep: manager modules cannot load bcrypt of this system, also after an update.
[Service]
ExecStartPre=+/bin/{MEND}
"""


def lacks() -> str:
    """What this host has not that a manager cannot do without, as a sentence; "" if nothing."""
    return "" if shutil.which("ceph-mgr") else "there is no ceph-mgr: install it"


def noted() -> dict[str, Any]:
    """What `make` has made or begun here, {} if nothing: see `begin`."""
    return record.load(NOTE) or {}


def begin(name: str, modules: list[str], pool: bool) -> dict[str, Any]:
    """Note that a manager *name* comes, and what changes by it; what was noted.

    Those are the *modules* that the cluster loses, and whether managers' *pool* gets another name.

    RuntimeError where one of that name is here that we have not made.
    """
    if not noted() and os.path.lexists(_folder(name)):
        raise RuntimeError(
            f"{_folder(name)} is there and was not made by this program: move it aside, or give "
            "the new manager another name"
        )
    return record.once(NOTE, lambda: {"name": name, "modules": modules, "pool": pool})


def make(name: str, key: str) -> None:
    """A manager *name* on this host, started and enabled; *key* is its keyring."""
    with record.locked():
        if record.load(NOTE) is None:
            raise RuntimeError(f"manager {name} was not begun here")
        wanted = [undo.file(MODULES), *undo.folders(DROP_IN), undo.file(DROP_IN)]
        undo.note(FILES, wanted)
        if _fails():
            os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
            disk.write(DROP_IN, MENDED, 0o644)
            systemd.run("systemctl", "daemon-reload")
        os.makedirs(_folder(name), 0o750, exist_ok=True)
        disk.write(f"{_folder(name)}/keyring", key, 0o600)
        for path in (_folder(name), f"{_folder(name)}/keyring"):
            shutil.chown(path, "ceph", "ceph")
        systemd.set_up(_unit(name))


def made(name: str) -> bool:
    """Whether it runs, also after a reboot."""
    return systemd.is_set_up(_unit(name))


def quiet() -> None:
    """End the manager that `make` has made; what it has stays."""
    if ours := noted():
        systemd.stop([_unit(ours["name"])], 20)


def withdraw() -> None:
    """Remove that manager and all that came with it; nothing where nothing was made."""
    with record.locked():
        if ours := noted():
            systemd.take_down(_unit(ours["name"]), 20)
            shutil.rmtree(_folder(ours["name"]), ignore_errors=True)
        if undo.undo(FILES):
            systemd.run("systemctl", "daemon-reload")
        record.forget(NOTE)  # last: until then it may be called again


def _fails() -> bool:
    if not re.search(r"(?m)^import bcrypt$", disk.text_if_there(MODULES)):
        return False
    try:
        return int(metadata.version("bcrypt").split(".")[0]) >= RUST
    except metadata.PackageNotFoundError:
        return False


def _folder(name: str) -> str:
    return f"{FOLDERS}/ceph-{name}"


def _unit(name: str) -> str:
    return f"ceph-mgr@{name}"
