"""Real containers on a bridge of their own: made, rebooted, and removed from every bad state."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra import nspawn
from infra.controller import PARTS, Place
from infra.nspawn import Machine, access, bridge, process
from infra.nspawn.command import attempt, run
from migrate.cloud.host import Host, SshHost
from migrate.errors import MigrateError
from tests.lab import cloud, host, leftovers, prepared
from tests.lab.settings import Lab

pytestmark = pytest.mark.integration

NAME = "sd-test"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab that is one bare machine; whatever a test does, nothing of it stays."""
    host.install_packages()
    made = Lab(
        home=tmp_path / "home",
        bridge="br-sd-test",
        prefix="10.79.9",
        controller=NAME,
        computes=(),
        target="sd-other",
    )
    yield made
    cloud.down(made)


@pytest.fixture
def machine(lab: Lab) -> Machine:
    """The machine, running."""
    bridge.create(lab.host_bridge)
    made = prepared.machine_on(lab, NAME)
    nspawn.create(made)
    nspawn.start(made)
    nspawn.wait_for_ssh(made)
    return made


def _as(machine: Machine, user: str, command: str) -> str:
    return run(*nspawn.ssh_command(machine.home, machine.address, user), command).strip()


def test_both_users_get_in_and_become_root(machine: Machine) -> None:
    assert _as(machine, "root", "id -u") == "0"
    assert _as(machine, "operator", "sudo -n id -u") == "0"
    assert _as(machine, "operator", "hostname") == NAME


def test_an_unknown_host_key_is_refused(machine: Machine) -> None:
    access.forget_host(machine.home, machine.address)
    assert not access.lets_in(machine.home, machine.address)


def test_units_of_another_machine_are_not_touched(lab: Lab, machine: Machine) -> None:
    other = prepared.machine_on(lab, "sd-other")
    nspawn.create(other)
    nspawn.start(other)
    nspawn.wait_for_ssh(other)
    _as(other, "root", "systemctl kill -s KILL dbus.service systemd-journald.service")
    restarts = "systemctl show -P NRestarts systemd-journald.service"
    assert int(_as(other, "root", restarts)) >= 1
    assert int(_as(machine, "root", restarts)) == 0


def test_packages_can_be_installed_inside(machine: Machine) -> None:
    _as(machine, "root", "apt-get -qq update && apt-get -qq install -y hello")
    assert "Hello" in _as(machine, "root", "hello")


@pytest.mark.in_set("engine")
def test_nothing_starts_by_its_installation(machine: Machine) -> None:
    """Daemons and their timers among the packages are there, and none has been started."""
    inside = SshHost(
        NAME,
        machine.address,
        user="operator",
        key=access.key(machine.home),
        known_hosts=access.known_hosts(machine.home),
    )
    place = Place(release="2026.1", address=machine.address)
    before = _awake(inside)
    for part in ("accounts", "packages"):
        PARTS[part].apply(inside, place)
    assert inside.run("dpkg-query", "-W", "-f", "${Status}", "mariadb-server").startswith("install")
    assert _awake(inside) == before


def _awake(inside: Host) -> list[str]:
    """Sockets that are listened at, and units that are active; not those of logins."""
    told = inside.shell(
        "ss -Hltunx | awk '{print $1, $5, $6}'\n"
        "systemctl list-units --plain --no-legend --state=active --type=service,socket,timer "
        "| awk '{print $1}'"
    )
    return sorted(line for line in told.splitlines() if not line.startswith("user"))


def test_a_reboot_from_inside_clears_addresses_and_comes_back(machine: Machine) -> None:
    boot = _boot(machine)
    _as(machine, "root", "touch /root/kept; ip addr add 10.79.9.99/32 dev host0; systemctl reboot")
    deadline = time.monotonic() + 180
    while boot == (now := _boot(machine)) or not now:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "10.79.9.99" not in _as(machine, "root", "ip addr")
    assert _as(machine, "root", "ls /root/kept") == "/root/kept"
    assert "phy0" in _as(machine, "root", "ip -br link show up")


def test_a_machine_outlives_the_process_that_started_it(lab: Lab) -> None:
    code = f"""
from pathlib import Path
from infra import nspawn
from infra.controller import PARTS, Place
from infra.nspawn import bridge
from tests.lab import prepared
from tests.lab.settings import Lab
lab = Lab(home=Path({str(lab.home)!r}), bridge={lab.bridge!r}, prefix={lab.prefix!r},
          controller={NAME!r}, computes=(), target="sd-other")
bridge.create(lab.host_bridge)
machine = prepared.machine_on(lab, {NAME!r})
nspawn.create(machine)
nspawn.start(machine)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    machine = prepared.machine_on(lab, NAME)
    assert nspawn.is_running(machine)
    nspawn.wait_for_ssh(machine)
    nspawn.stop(machine)
    assert not nspawn.is_running(machine)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)


def test_a_pid_that_was_given_to_another_process_is_not_the_machine(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(f"{os.getpid()} 12345\n")
    assert not process.alive(tmp_path / "pid")


def test_a_bad_name_is_refused(lab: Lab) -> None:
    with pytest.raises(MigrateError, match="machine name"):
        Machine(name="a/b", address="", bridge=lab.host_bridge, home=lab.home, layers=(), hosts={})


def _kill_container(lab: Lab, _: Machine) -> None:
    for pid in leftovers.containers({NAME}):
        os.kill(pid, 9)


def _forget_pid(_: Lab, machine: Machine) -> None:
    (machine.folder / "pid").unlink()


def _half_made(_: Lab, machine: Machine) -> None:
    (machine.folder / "made").unlink()


def _lose_folder(lab: Lab, machine: Machine) -> None:
    run("umount", "--lazy", str(machine.root))
    shutil.rmtree(lab.home)


def _mount_inside(lab: Lab, _: Machine) -> None:
    (lab.home / "extra").mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", str(lab.home / "extra"))


def _attach_loop(lab: Lab, _: Machine) -> None:
    disk = lab.home / "disk"
    disk.write_bytes(b"\0" * (1 << 20))
    run("losetup", "--find", str(disk))


def _lose_bridge(lab: Lab, _: Machine) -> None:
    run("ip", "link", "del", lab.bridge)


def _leave(_: Lab, __: Machine) -> None:
    pass


@pytest.mark.parametrize(
    "spoil",
    [
        _leave,
        _kill_container,
        _forget_pid,
        _half_made,
        _lose_folder,
        _mount_inside,
        _attach_loop,
        _lose_bridge,
    ],
)
def test_down_leaves_nothing(
    lab: Lab, machine: Machine, spoil: Callable[[Lab, Machine], None]
) -> None:
    spoil(lab, machine)
    assert leftovers.find(lab)
    cloud.down(lab)
    assert leftovers.find(lab) == []
    assert attempt("pgrep", "-f", f"--machine={NAME}").stdout == ""
    cloud.down(lab)  # and again, with nothing there


def _boot(machine: Machine) -> str:
    """When its systemd started; empty while it cannot be asked."""
    asked = (*nspawn.ssh_command(machine.home, machine.address), "cut -d' ' -f22 /proc/1/stat")
    return attempt(*asked).stdout.strip()
