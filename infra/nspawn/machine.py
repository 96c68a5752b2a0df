"""A machine on this host: systemd in a container of its own, on a bridge, reached by ssh.

Each machine has its own control group, network name space and overlay. (Without a group of its
own, systemd-nspawn puts every container of the host into one tree, and the systemds inside stop
each other's units.) It outlives the process that started it; everything about it is found again
from its folder, `<home>/machines/<name>`.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.nspawn import access, process
from infra.nspawn.bridge import Bridge, mac
from infra.nspawn.command import attempt, run
from migrate.cloud import wait
from migrate.errors import MigrateError

HOST_ENVIRONMENT = ("http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL", "UV_INDEX_URL")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# by the time of the day they change what stands and runs in a machine
DAILY = tuple(
    f"{name}.timer" for name in ("apt-daily", "apt-daily-upgrade", "dpkg-db-backup", "logrotate")
)
LAUNCH = Path(__file__).with_name("launch.sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine is made of.

    `home` is the state folder shared by the machines of one lab: the ssh key, the known hosts file
    and a folder per machine. `layers` are lower folders, topmost first. `binds` maps folders of
    this host to folders inside. `hosts` maps names to addresses for /etc/hosts.
    """

    name: str
    address: str
    bridge: Bridge
    home: Path
    layers: tuple[Path, ...]
    binds: Mapping[Path, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name.replace("-", "").isalnum() or len(self.name) > 12:
            raise MigrateError(f"machine name {self.name!r}: 1 to 12 letters, digits and hyphens")

    @property
    def folder(self) -> Path:
        """Where the machine's state lives."""
        return self.home / "machines" / self.name

    @property
    def root(self) -> Path:
        """The root of its file system, mounted while the machine exists."""
        return self.folder / "root"


def exists(machine: Machine) -> bool:
    """Whether the machine was made completely."""
    return (machine.folder / "made").exists()


def is_running(machine: Machine) -> bool:
    """Whether its systemd-nspawn is alive."""
    return process.alive(machine.folder / "pid")


def is_running_in(home: Path, name: str) -> bool:
    """Whether a machine is alive, by name only."""
    return process.alive(home / "machines" / name / "pid")


def unmount(machine: Machine) -> None:
    """Take the file system of a stopped machine away; `start` mounts it again."""
    _unmount(machine.root)


def create(machine: Machine) -> None:
    """Make the machine's file system and identity; do not start it.

    What is left of a half-made machine of this name is deleted first. A whole one is left alone.
    """
    if exists(machine):
        return
    delete(machine)
    access.prepare(machine.home)
    for part in ("upper", "work", "root"):
        (machine.folder / part).mkdir(parents=True)
    _mount(machine)
    _write_identity(machine)
    (machine.folder / "made").touch()


def start(machine: Machine) -> None:
    """Boot the machine unless it runs; returns at once, see `wait_for_ssh`."""
    if is_running(machine):
        return
    _mount(machine)
    group = process.make_group(machine.name)
    launch = [
        "sh", str(LAUNCH), machine.name, str(machine.root), machine.bridge.name,
        mac(machine.name, "host0"), mac(machine.name, "phy0"), " ".join(map(str, group)),
        *(f"--bind={outside}:{inside}" for outside, inside in machine.binds.items()),
    ]  # fmt: skip
    with (machine.folder / "console").open("ab") as console:
        child = subprocess.Popen(
            launch,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            cwd="/",
        )
    process.remember(machine.folder / "pid", child.pid)


def wait_for_ssh(machine: Machine, seconds: float = 180) -> None:
    """Return as soon as root gets in; raise MigrateError after *seconds*."""

    def booting() -> bool:
        return not access.lets_in(machine.home, machine.address) and is_running(machine)

    if wait.while_any(booting, seconds, pause=0.1) or not is_running(machine):
        console = machine.folder / "console"
        raise MigrateError(f"{machine.name} does not answer by ssh; its console is {console}")


def stop(machine: Machine, seconds: float = 30) -> None:
    """Power the machine off, by force after *seconds* (0: at once); its files stay."""
    if is_running(machine) and seconds:
        for pid in process.children(process.recall(machine.folder / "pid")):
            os.kill(pid, signal.SIGTERM)  # systemd-nspawn asks its systemd to power off
        wait.while_any(lambda: is_running(machine), seconds, pause=0.1)
    process.kill_group(machine.name)
    process.forget(machine.folder / "pid")
    _remove_network(machine.name)


def delete(machine: Machine) -> None:
    """Remove the machine and every trace of it on this host; safe in whatever state it is."""
    remove(machine.home, machine.name, machine.address)


def remove(home: Path, name: str, address: str = "") -> None:
    """Delete by name only, for machines whose description is lost."""
    folder = home / "machines" / name
    (folder / "made").unlink(missing_ok=True)
    process.kill_group(name)
    _remove_network(name)
    _unmount(folder / "root")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(f"/run/systemd/nspawn/propagate/{name}", ignore_errors=True)
    lock = home / "machines" / f".#{name}.lck"
    lock.unlink(missing_ok=True)
    if address:
        access.forget_host(home, address)


def left_in(home: Path) -> list[str]:
    """Names of all machines that have anything in *home*."""
    folder = home / "machines"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _mount(machine: Machine) -> None:
    if os.path.ismount(machine.root):
        return
    # left by a volatile mount that ended with the host; nothing here must survive the host
    shutil.rmtree(machine.folder / "work/work/incompat", ignore_errors=True)
    options = (
        f"lowerdir={':'.join(map(str, machine.layers))},upperdir={machine.folder / 'upper'},"
        f"workdir={machine.folder / 'work'},volatile"
    )
    run("mount", "-t", "overlay", f"sidestep-{machine.name}", "-o", options, str(machine.root))


def _unmount(root: Path) -> None:
    # the last processes' references go a moment after the processes
    for _ in range(50):
        if not os.path.ismount(root) or attempt("umount", str(root)).returncode == 0:
            return
        time.sleep(0.1)
    run("umount", "--lazy", str(root))


def _remove_network(name: str) -> None:
    attempt("ip", "netns", "del", f"sidestep-{name}")
    for link in (f"h-{name}", f"p-{name}"):
        attempt("ip", "link", "del", link)


def _write_identity(machine: Machine) -> None:
    etc = machine.root / "etc"
    (etc / "hostname").write_text(machine.name + "\n")
    (etc / "machine-id").write_text(secrets.token_hex(16) + "\n")
    names = {"localhost": "127.0.0.1", machine.name: machine.address, **machine.hosts}
    (etc / "hosts").write_text("".join(f"{addr}\t{name}\n" for name, addr in names.items()))
    gateway, prefix = machine.bridge.address.split("/")
    network = etc / "systemd/network/10-host0.network"
    network.write_text(
        f"[Match]\nName=host0\n[Network]\nAddress={machine.address}/{prefix}\n"
        f"Gateway={gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )
    (etc / "resolv.conf").unlink(missing_ok=True)
    shutil.copy("/etc/resolv.conf", etc / "resolv.conf")
    (etc / "environment").write_text(_environment())
    if Path("/etc/pip.conf").exists():
        shutil.copy("/etc/pip.conf", etc / "pip.conf")
    for timer in DAILY:
        mask = etc / "systemd/system" / timer
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    access.admit(machine.home, machine.root, machine.name, machine.address)


def _environment() -> str:
    """How to reach package registries: as this host does, with the bundle of the machine itself."""
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
    values = dict.fromkeys(names, BUNDLE)
    given: Iterable[str] = (*HOST_ENVIRONMENT, *map(str.upper, HOST_ENVIRONMENT[:3]))
    values.update({name: os.environ[name] for name in given if name in os.environ})
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
