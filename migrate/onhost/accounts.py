"""Accounts of services on a machine that is made: asked, made, and taken away again."""

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from migrate.onhost import undo
from migrate.onhost.systemd import run

Row = Any  # ["glance", 64062 or None, ["/etc/glance", ...]]: name, number, folders


def right(rows: list[Row]) -> dict[str, Any]:
    """The number, or "any", of each account of *rows* that is as it says."""
    return {
        name: number or "any" for name, number, folders in rows if _right(name, number, folders)
    }


def _right(name: str, number: int | None, folders: list[str]) -> bool:
    try:
        user, group = pwd.getpwnam(name), grp.getgrnam(name)
    except KeyError:
        return False
    # dnsmasq runs as nobody and must be able to re-read neutron's host files: root's count too
    owned = all(os.path.isdir(one) and os.stat(one).st_uid in (0, user.pw_uid) for one in folders)
    return owned and user.pw_gid == group.gr_gid and number in (None, user.pw_uid)


def absent(names: list[str], folders: list[str], settings: list[str]) -> dict[str, Any]:
    """What is not here yet of what `make` makes, and the kernel's *settings* as they are."""
    return {
        "users": [name for name in names if not _known(pwd.getpwnam, name)],
        "groups": [name for name in names if not _known(grp.getgrnam, name)],
        "folders": [folder for folder in folders if not os.path.exists(folder)],
        "sysctl": {name: undo.setting(name) for name in settings},
    }


def make(rows: list[Row]) -> None:
    """Make each account of *rows* with its group and folders; RuntimeError where it cannot be."""
    for name, number, folders in rows:
        _refuse_taken(name, number)
        fixed = [] if number is None else [str(number)]
        if not _known(grp.getgrnam, name):
            run("groupadd", "-r", *(["-g", *fixed] if fixed else []), name)
        if not _known(pwd.getpwnam, name):
            home = ("-M", "-d", f"/var/lib/{name}", "-s", "/usr/sbin/nologin")
            run("useradd", "-r", *(["-u", *fixed] if fixed else []), "-g", name, *home, name)
        user = pwd.getpwnam(name)
        if number not in (None, user.pw_uid):
            raise RuntimeError(
                f"user {name} has id {user.pw_uid} here and must have {number}, as on the "
                "hosts that it shares files with: change it, with the files it owns"
            )
        for path in folders:
            os.makedirs(path, 0o755, exist_ok=True)
            ours = not path.startswith("/etc/")
            os.chown(path, user.pw_uid if ours else 0, user.pw_gid)
            os.chmod(path, 0o755 if ours else 0o750)


def _refuse_taken(name: str, number: int | None) -> None:
    if number is None:
        return
    for look, what in ((pwd.getpwuid, "user"), (grp.getgrgid, "group")):
        try:
            holder = look(number)[0]
        except KeyError:
            continue
        if holder != name:
            raise RuntimeError(
                f"{what} id {number}, which {name} needs, belongs to {holder}: "
                "give that another number"
            )


def remove(added: dict[str, Any]) -> None:
    """Take away what `absent` told and `make` made."""
    for folder in added["folders"]:
        shutil.rmtree(folder, ignore_errors=True)
    for command, names in (("userdel", added["users"]), ("groupdel", added["groups"])):
        for name in names:
            subprocess.run([command, name], capture_output=True, check=False)
    for name, value in added["sysctl"].items():
        undo.put_setting(name, value)


def _known(look: Callable[[str], Any], name: str) -> bool:
    try:
        return bool(look(name))
    except KeyError:
        return False
