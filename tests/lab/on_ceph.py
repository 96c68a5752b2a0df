"""Ceph beneath the lab's cloud: the cluster is formed, and the cloud's hosts are clients of it.

Each service has a user of its own. QEMU takes the keys from libvirt: nova's for servers' disks,
cinder's for volumes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.lab.ceph import cluster, gateway
from tests.lab.remote import ssh
from tests.lab.settings import CephLab
from tests.lab.stages import stage

# Ceph's users by the group whose service reads the key
CONTROLLER = {"glance": "glance", "cinder": "cinder"}
COMPUTE = {"nova": "nova"}
SECRETS = ("nova", "cinder")


def form(lab: CephLab) -> None:
    """Bring cluster and gateway up, and let services of machines that have booted reach them."""
    cluster.form(lab)
    with stage("gateway"):
        gateway.stand_up(lab)
    with stage("clients of Ceph"), ThreadPoolExecutor() as pool:
        jobs = [pool.submit(cluster.admit, lab, lab.controller, CONTROLLER)]
        jobs += [pool.submit(admit_compute, lab, name) for name in lab.computes]
        for job in jobs:
            job.result()
    with stage("clean"):
        cluster.wait_until_clean(lab)


def write_noise(lab: CephLab) -> None:
    """Let no volume, disk or backup be empty: their checksums would say nothing."""
    program = (cluster.FILES / "noise.py").read_text()
    ssh(lab, lab.client, "python3 -", stdin=program)


def admit_compute(lab: CephLab, name: str) -> None:
    """Let the servers of *name* have their disks and volumes on the cluster."""
    cluster.admit(lab, name, COMPUTE)
    for user in SECRETS:
        key = ssh(lab, lab.monitor, f"ceph auth print-key client.{user}").strip()
        cluster.run(lab, name, "secret.sh", UUID=lab.secret(user), USER=f"client.{user}", KEY=key)
