"""The rig as a whole: up, down, and whether it is healthy."""

from __future__ import annotations

from pathlib import Path

from infra import nspawn
from infra.nspawn import Machine, bridge
from migrate.cloud import wait
from tests.lab import cloud, host
from tests.lab.ceph import cluster, gateway, packages
from tests.lab.ceph.settings import CephRig
from tests.lab.stages import stage

PATIENCE_SECONDS = 30


def up(rig: CephRig) -> None:
    """Bring the cluster up with its content; one that is whole and healthy is left alone."""
    with cloud.alone(rig):
        if not is_healthy(rig, PATIENCE_SECONDS):
            cloud.remove(rig)
            _build(rig)


def down(rig: CephRig) -> None:
    """Leave nothing of it on this host, whatever there is; caches stay."""
    cloud.down(rig)


def is_healthy(rig: CephRig, patience: float = 0) -> bool:
    """Whether it was built to the end, every machine runs and the cluster has nothing to say.

    It has *patience* seconds for that: now and then it scrubs.
    """
    running = all(nspawn.is_running_in(rig.home, name) for name in rig.addresses)
    return (
        _whole(rig).exists()
        and bridge.exists(rig.host_bridge)
        and running
        and not wait.while_any(lambda: cluster.unclean(rig), patience, pause=1)
    )


def spoil(rig: CephRig) -> None:
    """It is not the old cluster any more: whoever wants that builds it anew."""
    _whole(rig).unlink(missing_ok=True)


def _build(rig: CephRig) -> None:
    with stage("host packages"):
        host.install_packages()
    with stage("layers"):
        machines = _machines(rig)
    nspawn.access.prepare(rig.home)
    with stage("machines booted"):
        bridge.create(rig.host_bridge)
        for machine in machines:
            nspawn.create(machine)
            nspawn.start(machine)
        for machine in machines:
            nspawn.wait_for_ssh(machine)
    cluster.form(rig)
    with stage("content"):
        cluster.admit(rig, rig.client, dict.fromkeys(cluster.USERS.values(), "root"))
        cluster.run(rig, rig.client, "content.sh")
    with stage("gateway"):
        gateway.stand_up(rig)
    with stage("clean"):
        cluster.wait_until_clean(rig)
    _whole(rig).touch()


def _machines(rig: CephRig) -> list[Machine]:
    return [
        *cluster.machines(rig),
        *(cluster.machine(rig, one, packages.old()) for one in (rig.client, *rig.olds)),
        *(cluster.machine(rig, one, packages.new()) for one in (rig.target, *rig.news)),
    ]


def _whole(rig: CephRig) -> Path:
    return rig.home / "whole"
