"""What the lab needs of this host, and what it leaves on it."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.nspawn.command import attempt, run
from tests.lab import leftovers

# a program of each package, to see whether it is there
PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "arping": "iputils-arping",
    "ping": "iputils-ping",
    "newuidmap": "uidmap",
    "ethtool": "ethtool",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "pkill": "procps",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def install_packages() -> list[str]:
    """Install what is missing on this host, and return its names."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not KEYRING.exists():
        missing.append("debian-archive-keyring")
    if missing:
        quietly = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y")
        run(*quietly, "update")
        run(*quietly, "--no-install-recommends", "install", *missing)
    return missing


def remove_state(home: Path) -> None:
    """Delete the lab's folder, after whatever is still mounted or attached in it."""
    for device in leftovers.loops(home):
        attempt("losetup", "--detach", device)
    for point in leftovers.mounts(home):
        if attempt("umount", point).returncode:
            run("umount", "--lazy", point)
    if home.exists():
        run("rm", "-rf", "--one-file-system", str(home))
