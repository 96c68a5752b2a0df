"""What is installed where: Debian's own OpenStack 2025.1, as layers on the bare machine."""

from __future__ import annotations

from pathlib import Path

from infra.nspawn import layers

FILES = Path(__file__).with_name("files")

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


def controller() -> Path:
    """Every control service of 2025.1, its database, broker, cache and proxy, not configured."""
    return layers.packaged("controller", _list("controller"), layers.bare(), finish=QUIET)


def small() -> Path:
    """As the controller, with keystone and glance alone: for the rig."""
    return layers.packaged("small", _list("small"), layers.bare(), finish=QUIET)


def compute() -> Path:
    """nova-compute, libvirt, QEMU and the OVS agent of 2025.1, not configured."""
    return layers.packaged("compute", _list("compute"), layers.bare(), finish=QUIET)


def _list(name: str) -> list[str]:
    return (FILES / f"{name}.packages").read_text().split()
