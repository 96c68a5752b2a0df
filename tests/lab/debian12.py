"""Debian 12 as a machine's lowest layer: what an older source's servers are of."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

from infra.nspawn import layers
from infra.nspawn.command import run

SUITES = (("debian", "bookworm"), ("debian-security", "bookworm-security"))


def bare(packages: Iterable[str]) -> Path:
    """As `layers.bare`, with *packages*, of the older Debian."""
    included = ",".join((layers.BARE_PACKAGES, *sorted(packages)))
    key = layers.digest(included, str(SUITES), layers.mirror(), inspect.getsource(_build))
    return layers.cached("debian12", key, lambda target: _build(target, included))


def _build(target: Path, included: str) -> None:
    host = layers.mirror().removesuffix("/debian")
    sources = "".join(f"deb {host}/{part} {suite} main\n" for part, suite in SUITES)
    run(
        "mmdebstrap", "--variant=minbase", f"--include={included}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt={option}" for option in layers.NO_DOCS.split()),
        "bookworm", str(target), "-", stdin=sources, timeout=1800,
    )  # fmt: skip
    inside = ("chroot", str(target))
    run(*inside, "useradd", "-g", "operator", "-m", "-s", "/bin/bash", "operator")
    sudoers = target / "etc/sudoers.d/operator"
    sudoers.write_text("operator ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    ssh = target / "etc/ssh/sshd_config.d/lab.conf"
    ssh.write_text("MaxStartups 200\nMaxSessions 200\nUseDNS no\n")
    for old in (target / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    run(*inside, "systemctl", "enable", "systemd-networkd")
    (target / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    target.chmod(0o755)
