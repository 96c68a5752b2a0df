"""A reinstall of a compute host that has OSDs too: emptied once, made anew once.

Never chosen by name: `reinstall` is, and the stack file names the hosts with OSDs.
No such host was shown on a real cluster yet, so `reinstall.findings` refuses each.
"""

from __future__ import annotations

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.computes.installers import reinstall
from migrate.computes.installers.contract import Act
from migrate.computes.reinstalling import osds
from migrate.storage.ceph import osd_host

WAY, AHEAD = reinstall.WAY, reinstall.AHEAD
ACTS: tuple[Act, ...] = osds.among(reinstall.ACTS)
findings, renewed, between = reinstall.findings, reinstall.renewed, reinstall.between


def restore(context: Context, host: Host) -> None:
    """As `reinstall.restore`, unless its OSDs were started for good."""
    osd_host.stay_old(host, osds.side(context))
    reinstall.restore(context, host)
