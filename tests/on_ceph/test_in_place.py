"""A compute host with servers' disks on RBD comes over in place, and goes back with the whole.

It has the client, its key and libvirt's secrets already; the modules come with the environment.
"""

from __future__ import annotations

from typing import Any

import pytest

from migrate.computes import versions
from migrate.phases.session import context_of
from tests.ceph.unharmed import unharmed
from tests.infra.engine import STACK, Project
from tests.lab import content
from tests.lab.ceph import cluster
from tests.lab.content import servers
from tests.lab.remote import ssh
from tests.lab.settings import CephLab
from tests.on_ceph.test_source import LONGEST_GAP, reboot

pytestmark = [pytest.mark.lab, pytest.mark.in_set("lab-ceph-in-place"), pytest.mark.in_order]
HOST = "cmp1"


@pytest.fixture(scope="module")
def sums(lab: CephLab) -> dict[str, str]:
    """What is in each image and volume before anything is done."""
    return cluster.checksums(lab)


@pytest.fixture(scope="module")
def over(project: Project, sums: dict[str, str]) -> Project:
    """The target serves; both compute hosts are old."""
    project.up()
    project.migrate("follow", "--execute")
    project.migrate("cutover", "--execute", "--confirm", STACK)
    project.migrate("verify")
    return project


def old(project: Project) -> set[str]:
    return set(versions.read(context_of(STACK, project.root)).old)


def test_a_host_comes_over_and_boots_a_server_on_rbd(lab: CephLab, over: Project) -> None:
    with unharmed(lab, LONGEST_GAP):
        over.migrate("settle", "--execute", "--host", HOST, "--canary", "0")
    assert old(over) == set(lab.computes) - {HOST}
    for name, told in content.told(lab)["servers"].items():
        servers.wait_for_ping(name, told["fixed"])


def test_its_servers_are_made_anew_by_the_release(
    lab: CephLab, over: Project, admin: Any, sums: dict[str, str]
) -> None:
    every = admin.compute.servers(all_projects=True)
    there = [one.name for one in every if one.compute_host == HOST]
    assert there
    for name in there:
        reboot(lab, admin, name)
    now = cluster.checksums(lab)
    assert {name: now.get(name) for name in sums} == sums


def test_the_whole_goes_back_with_it(lab: CephLab, over: Project, sums: dict[str, str]) -> None:
    over.go_back()
    assert "/opt/" not in ssh(lab, HOST, "systemctl show -P ExecStart nova-compute")
    now = cluster.checksums(lab)
    assert {name: now.get(name) for name in sums} == sums
