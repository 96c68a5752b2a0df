"""Ceph of both releases as layers: Debian 12 has 16.2, which is in no other suite, Debian 13 18.2.

What Debian 13's packages leave out is named here: its monitor does not depend on `ceph-base`, which
has the erasure-code plugins without which it dies, nor its OSDs on `ceph-volume`, nor that on udev.
"""

from __future__ import annotations

from pathlib import Path

from infra.nspawn import layers
from tests.bare import root
from tests.lab.packages import QUIET

DAEMONS = ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph-base", "radosgw")
TOOLS = ("ceph-common", "python3-rados", "python3-rbd", "udev")
# what the bare machine of Debian 13 has by its own recipe
ADMITS = """
useradd -g operator -m -s /bin/bash operator
echo 'operator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/operator
chmod 440 /etc/sudoers.d/operator
printf '%s\\n' 'MaxStartups 200' 'MaxSessions 200' 'UseDNS no' >/etc/ssh/sshd_config.d/lab.conf
rm -f /etc/ssh/ssh_host_*
systemctl enable systemd-networkd
"""
# crash reports need a key of their own, and nothing here has NVMe over fabrics
CALM = """
for name in ceph-crash nvmf-autoconnect; do ln -sf /dev/null $name.service; done
"""


def old() -> tuple[Path, ...]:
    """A machine of Debian 12 with every daemon of Ceph 16.2, topmost first."""
    below = root.layer()
    wanted = {*layers.BARE_PACKAGES.split(","), *DAEMONS, *TOOLS}
    top = layers.packaged("ceph-old", wanted, below, finish=ADMITS + QUIET + CALM)
    return (top, below)


def new() -> tuple[Path, ...]:
    """A machine of Debian 13 with every daemon of Ceph 18.2, topmost first."""
    below = layers.bare()
    wanted = {*DAEMONS, *TOOLS, "ceph-volume"}
    return (layers.packaged("ceph-new", wanted, below, finish=QUIET + CALM), below)
