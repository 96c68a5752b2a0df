"""A real sshd on a loopback address and a port of its own, with keys made for the test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PORT = 2277  # 22 may be the machine's own
ALONE = """
mount -t tmpfs tmpfs /run; mkdir /run/sshd; mount -t tmpfs tmpfs /var/lib
exec "$@"
"""
# killing the first process of a process namespace ends all that runs in it
APART = (
    *("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
    *("sh", "-c", ALONE, "alone"),
)


@dataclass(frozen=True)
class Sshd:
    """Where it listens and what opens it."""

    address: str
    key: Path
    known_hosts: Path
    folder: Path
    pid: int


@contextmanager
def running(folder: Path, address: str = "127.0.77.1", *, apart: bool = False) -> Iterator[Sshd]:
    """Run sshd on *address* until the block ends; `root` may log in with `key`.

    With *apart* as on a machine of its own: other processes, /run and /var/lib/migrate are not
    this machine's.
    """
    key, host_key = folder / "key", folder / "host_key"
    for path in (key, host_key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    public = (folder / "host_key.pub").read_text().split()[:2]
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"[{address}]:{PORT} {' '.join(public)}\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(
        [
            *(APART if apart else ()),
            *(shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null"),
            *options(folder, address),
        ],
        stderr=(folder / "log").open("w"),
    )
    try:
        await_answer(address)
        yield Sshd(address, key, known_hosts, folder, server.pid)
    finally:
        server.kill() if apart else server.terminate()  # unshare passes nothing but that on
        server.wait()


def options(folder: Path, address: str) -> list[str]:
    """Of one that listens on *address*, with the keys in *folder*."""
    told = {
        "ListenAddress": f"{address}:{PORT}",
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "PidFile": "none",
        "UsePAM": "no",
        "MaxSessions": "10",
        "Subsystem": "sftp internal-sftp",
    }
    return [part for name, value in told.items() for part in ("-o", f"{name}={value}")]


def await_answer(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection((address, PORT), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"sshd did not answer on {address}")
