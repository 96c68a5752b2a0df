"""ssh into machines: one key and one known hosts file for all machines of a home folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from infra.nspawn.command import attempt, run
from infra.nspawn.layers import locked


def key(home: Path) -> Path:
    """The private key that opens every machine; its public half is beside it, with `.pub`."""
    return home / "key"


def known_hosts(home: Path) -> Path:
    """The file with the host keys of every machine."""
    return home / "known_hosts"


def prepare(home: Path) -> None:
    """Make the key and an empty known hosts file, where they are missing."""
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / ".access.lock"):
        if not key(home).exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key(home)))
        known_hosts(home).touch()


def ssh_command(home: Path, address: str, user: str = "root") -> list[str]:
    """The argv that reaches a machine; append the remote command."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "5",
        "IdentitiesOnly": "yes",
        "IdentityFile": str(key(home)),
        "LogLevel": "ERROR",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known_hosts(home)),
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *flags, f"{user}@{address}"]


def lets_in(home: Path, address: str) -> bool:
    """Whether root gets in now."""
    return attempt(*ssh_command(home, address), "true").returncode == 0


def admit(home: Path, root: Path, name: str, address: str) -> None:
    """Give the machine at *root* a new host key, and our key to root and operator."""
    for old in (root / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    path = root / "etc/ssh/ssh_host_ed25519_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path))
    for account, folder in (("root", root / "root"), ("operator", root / "home/operator")):
        authorised = folder / ".ssh/authorized_keys"
        authorised.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(key(home).with_suffix(".pub"), authorised)
        inside = "/" + str(authorised.parent.relative_to(root))
        run("chroot", str(root), "chown", "-R", f"{account}:", inside)
    public = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
    forget_host(home, address)
    with locked(home / ".access.lock"), known_hosts(home).open("a") as hosts:
        hosts.write(f"{address} {' '.join(public)}\n")


def trusted(home: Path, address: str) -> list[str]:
    """The lines of the known hosts file that name *address*."""
    lines = known_hosts(home).read_text().splitlines()
    return [line for line in lines if line.split(" ", 1)[0] == address]


def trust(home: Path, address: str, lines: Sequence[str]) -> None:
    """Let these *lines* be all that the file says of *address*."""
    forget_host(home, address)
    with locked(home / ".access.lock"), known_hosts(home).open("a") as hosts:
        hosts.writelines(f"{line}\n" for line in lines)


def forget_host(home: Path, address: str) -> None:
    """Drop the host keys of *address*."""
    if not known_hosts(home).exists():
        return
    with locked(home / ".access.lock"):
        lines = known_hosts(home).read_text().splitlines(keepends=True)
        kept: Sequence[str] = [line for line in lines if line.split(" ", 1)[0] != address]
        known_hosts(home).write_text("".join(kept))
