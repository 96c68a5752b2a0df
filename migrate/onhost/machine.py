"""What this machine is, and what Debian has installed on it."""

import grp
import os
import pwd
from typing import Any

from migrate.onhost import disk
from migrate.onhost.systemd import run


def identity() -> dict[str, Any]:
    """{"identity": its machine-id, "system": "debian 13", "root": True}"""
    lines = disk.text("/etc/os-release").split("\n")
    release = dict(line.strip().split("=", 1) for line in lines if "=" in line)
    system = " ".join(release.get(name, "").strip('"') for name in ("ID", "VERSION_ID"))
    return {
        "identity": disk.text("/etc/machine-id").strip(),
        "system": system,
        "root": os.geteuid() == 0,
    }


def installed() -> dict[str, list[str]]:
    """Packages, users and groups of this machine."""
    told = run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n")
    rows = [line.split() for line in told.splitlines()]
    return {
        "packages": sorted(row[0] for row in rows if row[1][1:2] == "i"),
        "users": sorted(user.pw_name for user in pwd.getpwall()),
        "groups": sorted(group.gr_name for group in grp.getgrall()),
    }
