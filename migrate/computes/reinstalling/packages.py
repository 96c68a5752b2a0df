"""What a compute host needs of Debian when its services come from the release's environment. Data.

Measured in the lab: 605 MB, 24 s from a near mirror; what only builds is not among it.
"""

from __future__ import annotations

NAMES = (
    # servers; the binding belongs to the libvirt that is here
    *("libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients", "python3-libvirt"),
    *("qemu-system-x86", "qemu-utils", "genisoimage", "lsscsi", "uuid-runtime"),
    # networks
    *("openvswitch-switch", "dnsmasq-base", "conntrack", "iptables", "ipset", "nftables"),
    *("net-tools", "iputils-arping"),
    # what we and services call
    *("rsync", "socat", "sudo", "crudini"),
)
# of a client of Ceph's: QEMU's driver of RBD, and what nova imports and calls
OF_CEPH = ("qemu-block-extra", "python3-rados", "python3-rbd", "ceph-common")
# of the system, those that ran before run again once what is the host's own is there
DAEMONS = (
    *("openvswitch-switch.service", "virtlogd.socket", "virtlogd.service"),
    *("libvirtd.socket", "libvirtd-tcp.socket", "libvirtd-tls.socket", "libvirtd.service"),
    *("virtqemud.socket", "virtproxyd.socket", "virtsecretd.socket", "virtnodedevd.socket"),
    *("iscsid.service", "iscsid.socket", "multipathd.service"),
)
