"""A machine that stands already gets what is missing, and is afterwards what it was before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import nspawn
from infra.nspawn import Bridge, Machine, layers
from migrate.host import Host, SshHost
from tests.infra.engine import Project

pytestmark = pytest.mark.integration

BRIDGE = Bridge(name="br-sdrack", address="10.74.0.1/24")

# what an administrator would find: packages, accounts, files, kernel settings, listeners, units
LOOK = r"""
dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' | sort
getent passwd | sort; getent group | sort
find /etc /opt /home /root /srv /usr/local /usr/sbin /var/cache/apt/archives /var/lib /var/log \
  -xdev \
  \( -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /var/log/apt \
     -o -path /etc/ssl/certs \) -prune -o ! -name '*-' ! -name ld.so.cache \
  ! -path '/var/log/*.log' -printf '%p %y %m %u:%g\n' | sort
cat /proc/sys/net/ipv4/ip_nonlocal_bind /proc/sys/net/ipv4/conf/all/arp_{ignore,announce}
ss -Hltn | awk '{print $4}' | sort
systemctl list-unit-files --no-legend --state=enabled,disabled,masked | sort
"""


@pytest.fixture
def racked(tmp_path: Path) -> Iterator[Machine]:
    """A bare Debian 13 with a key of ours, as it came from the rack."""
    wheels = layers.cache() / "uv"
    wheels.mkdir(parents=True, exist_ok=True)
    machine = Machine(
        name="t-rack",
        address="10.74.0.12",
        bridge=BRIDGE,
        home=tmp_path / "site",
        layers=(layers.bare(),),
        # what is downloaded once; the hashes of the lock decide, not this folder
        binds={wheels: "/var/cache/sidestep/uv"},
    )
    nspawn.bridge.create(BRIDGE)
    try:
        nspawn.create(machine)
        nspawn.start(machine)
        nspawn.wait_for_ssh(machine)
        yield machine
    finally:
        nspawn.delete(machine)
        nspawn.bridge.delete(BRIDGE)


def host(machine: Machine) -> Host:
    return SshHost(
        machine.name,
        machine.address,
        user="operator",
        key=nspawn.key(machine.home),
        known_hosts=nspawn.known_hosts(machine.home),
    )


def test_destroy_takes_away_what_we_added_and_leaves_the_machine_up(
    racked: Machine, tmp_path: Path
) -> None:
    machine = host(racked)
    machine.run("apt-get", "-y", "-q", "update", timeout=120)
    machine.run("apt-get", "-y", "-q", "install", "socat", timeout=120)  # the operator's own
    before, booted = machine.shell(LOOK), machine.read("/proc/1/stat").split()[21]
    known = {
        "user": "operator",
        "key": str(nspawn.key(racked.home)),
        "knownHosts": str(nspawn.known_hosts(racked.home)),
    }
    old = {"name": "t-old", "address": "10.74.0.11"}
    ip = {"address": "10.74.0.10", "interface": "host0"}
    project = Project(
        tmp_path / "project",
        {
            "provider": "existing",
            "source": {"release": "2025.1", "controllers": [old], "virtualIps": [ip]},
            "target": {
                "release": "2026.1",
                "controllers": [{"name": "t-rack", "address": "10.74.0.12"}],
            },
            "ssh": known,
            "cloud": {"name": "nobody"},
        },
    )
    project.up()
    assert project.changes() == {}
    assert machine.succeeds("/opt/openstack/2026.1/bin/keystone-manage", "--version")
    project.forget_takeover()  # there is no source here to go back to
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert machine.read("/proc/1/stat").split()[21] == booted
    assert machine.succeeds("socat", "-V")
    assert machine.shell(LOOK).splitlines() == before.splitlines()
