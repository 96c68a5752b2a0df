"""What this machine is, and what Debian has installed on it."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from typing import Any


def identity() -> dict[str, Any]:
    """{"identity": its machine-id, "system": "debian 13", "root": True}"""
    with open("/etc/os-release") as stream:
        release = dict(line.strip().split("=", 1) for line in stream if "=" in line)
    with open("/etc/machine-id") as stream:
        found = stream.read().strip()
    system = " ".join(release.get(name, "").strip('"') for name in ("ID", "VERSION_ID"))
    return {"identity": found, "system": system, "root": os.geteuid() == 0}


def installed() -> dict[str, list[str]]:
    """Packages, users and groups of this machine."""
    told = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split() for line in told.splitlines()]
    return {
        "packages": sorted(row[0] for row in rows if row[1][1:2] == "i"),
        "users": sorted(user.pw_name for user in pwd.getpwall()),
        "groups": sorted(group.gr_name for group in grp.getgrall()),
    }
