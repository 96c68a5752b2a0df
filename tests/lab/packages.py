"""What is installed where: Debian's own OpenStack 2025.1, as layers on the bare machine."""

from __future__ import annotations

from pathlib import Path

from infra.nspawn import layers
from tests.lab.settings import CephLab, Lab

FILES = Path(__file__).with_name("files")

# cinder and nova ask `ceph` itself where the monitors are; all else came with glance and QEMU
CLIENT = ("ceph-common",)
# Nothing unconfigured may start at the first boot; pam_systemd once made logins hang.
QUIET = """
cd /etc/systemd/system
for name in keystone glance placement nova neutron cinder heat apache2 keepalived haproxy; do
  rm -f multi-user.target.wants/$name* sockets.target.wants/$name*
done
[ ! -e /etc/init.d/neutron-periodic-workers ] || update-rc.d neutron-periodic-workers disable
for name in radvd rtslib-fb-targetctl e2scrub_reap systemd-resolved apt-daily apt-daily-upgrade; do
  ln -sf /dev/null $name.service
done
rm -f timers.target.wants/*
sed -i /pam_systemd/d /etc/pam.d/common-session
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
"""


def controller(lab: Lab) -> tuple[Path, ...]:
    """Every control service of 2025.1, database, broker, cache, proxy, as yet not configured.

    These layers are on the bare machine's, topmost first.
    """
    return _of(lab, "controller")


def small() -> Path:
    """As the controller, with keystone and glance alone: for the rig."""
    return layers.packaged("small", _list("small"), layers.bare(), finish=QUIET)


def database() -> Path:
    """MariaDB alone, for a rig whose database stands apart."""
    return layers.packaged("database", ("mariadb-server",), layers.bare(), finish=QUIET)


def compute(lab: Lab) -> tuple[Path, ...]:
    """nova-compute, libvirt, QEMU and the OVS agent of 2025.1, not configured; topmost first."""
    return _of(lab, "compute")


def network() -> Path:
    """The network agents of 2025.1 and Open vSwitch, not configured."""
    return layers.packaged("network", _list("network"), layers.bare(), finish=QUIET)


def _of(lab: Lab, name: str) -> tuple[Path, ...]:
    own = layers.packaged(name, _list(name), layers.bare(), finish=QUIET)
    if not isinstance(lab, CephLab):
        return (own,)
    client = layers.packaged(f"{name}-ceph", CLIENT, own, layers.bare(), finish=QUIET)
    return (client, own)


def _list(name: str) -> list[str]:
    return (FILES / f"{name}.packages").read_text().split()
