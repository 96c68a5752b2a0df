"""Root file systems, kept in a cache: one bare Debian 13, and layers of packages upon it.

A layer is a folder named by a digest of everything it is built from. It is built under another
name in a mount and process namespace of its own, so that a build that dies leaves no mount, and
renamed when it is whole.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import inspect
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.nspawn.command import attempt, run
from migrate.errors import MigrateError

SUITES = (
    ("debian", "trixie"),
    ("debian", "trixie-updates"),
    ("debian-security", "trixie-security"),
)
BARE_PACKAGES = (
    "ca-certificates,curl,dbus,ethtool,iproute2,iputils-arping,iputils-ping,kmod,less,nftables,"
    "openssh-server,procps,python3,sudo,systemd-sysv"
)
HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NO_DOCS = "path-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\nforce-unsafe-io\n"
INSIDE = Path(__file__).with_name("build-layer.sh")


def cache() -> Path:
    """The folder for everything that may be built again: layers, packages, environments."""
    return Path(os.environ.get("SIDESTEP_CACHE", "/var/cache/sidestep"))


def digest(*parts: str | bytes) -> str:
    """Short digest of *parts*, for the names of cached things."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:16]


def bare() -> Path:
    """Debian 13 with systemd and sshd, a user `operator` who may sudo, and nothing else."""
    host_mirror = mirror()
    certificates = HOST_CERTIFICATES.read_bytes() if HOST_CERTIFICATES.exists() else b""
    recipe = inspect.getsource(_build_bare)
    key = digest(BARE_PACKAGES, *map(str, SUITES), host_mirror, certificates, NO_DOCS, recipe)
    return cached("bare", key, lambda target: _build_bare(target, host_mirror))


def packaged(name: str, packages: Iterable[str], *below: Path, finish: str = "") -> Path:
    """A layer with *packages* on top of *below*, topmost first.

    The shell text *finish* runs in it at the end.
    """
    wanted = sorted(packages)
    key = digest(*wanted, *(layer.name for layer in below), finish, INSIDE.read_bytes())

    def build(target: Path) -> None:
        log = _log(target)
        status = attempt(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private",
            "sh", str(INSIDE), ":".join(map(str, below)), str(target), str(log), *wanted,
            stdin=finish, timeout=1800,
        )  # fmt: skip
        if status.returncode:
            tail = log.read_text(errors="replace")[-1500:] if log.exists() else status.stderr
            raise MigrateError(f"layer {name} was not built, see {log}: {tail}")

    return cached(name, key, build)


def cached(name: str, key: str, build: Callable[[Path], None]) -> Path:
    """The cached folder *name*-*key*, built by *build* first when it is not there."""
    folder = cache() / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    whole, partial = folder / f"{name}-{key}", folder / f"{name}-{key}.partial"
    with locked(folder / f".{name}-{key}.lock"):
        if not whole.exists():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            build(partial)
            partial.rename(whole)
    return whole


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file *path*; a second process waits for the first."""
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build_bare(target: Path, mirror: str) -> None:
    sources = "".join(
        f"deb {mirror.removesuffix('/debian')}/{part} {suite} main\n" for part, suite in SUITES
    )
    listing = run(
        "mmdebstrap", "--variant=minbase", f"--include={BARE_PACKAGES}",
        "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
        '--aptopt=Acquire::Languages "none"', *(f"--dpkgopt={opt}" for opt in NO_DOCS.split()),
        "trixie", str(target), "-", stdin=sources, timeout=1800,
    )  # fmt: skip
    _log(target).write_text(listing)
    _trust_what_the_host_trusts(target)
    inside = ("chroot", str(target))
    run(*inside, "useradd", "-g", "operator", "-m", "-s", "/bin/bash", "operator")
    sudoers = target / "etc/sudoers.d/operator"
    sudoers.write_text("operator ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    ssh = target / "etc/ssh/sshd_config.d/lab.conf"
    ssh.write_text("MaxStartups 200\nMaxSessions 200\nPerSourcePenalties no\nUseDNS no\n")
    for old in (target / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    run(*inside, "systemctl", "enable", "systemd-networkd")
    (target / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    target.chmod(0o755)


def _trust_what_the_host_trusts(root: Path) -> None:
    """Add certificates that this host trusts and Debian does not, so that pip works inside too."""
    if not HOST_CERTIFICATES.exists():
        return
    known = set(_certificates((root / "etc/ssl/certs/ca-certificates.crt").read_text()))
    extra = [pem for pem in _certificates(HOST_CERTIFICATES.read_text()) if pem not in known]
    folder = root / "usr/local/share/ca-certificates"
    folder.mkdir(parents=True, exist_ok=True)
    for number, pem in enumerate(extra):
        (folder / f"host-{number}.crt").write_text(pem + "\n")
    run("chroot", str(root), "update-ca-certificates")


def _certificates(bundle: str) -> list[str]:
    pattern = r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----"
    return re.findall(pattern, bundle, re.DOTALL)


@functools.cache
def mirror() -> str:
    """The Debian mirror that this host itself uses."""
    for line in run("apt-cache", "policy").splitlines():
        if found := re.search(r"(\S+/debian) \S+/main", line):
            return found[1]
    raise MigrateError("this host has no Debian mirror in its apt sources: add one")


def _log(target: Path) -> Path:
    folder = cache() / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{target.name.removesuffix('.partial')}.log"
