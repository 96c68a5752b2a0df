"""Ceph's own daemons of the new release join beneath the cloud, serve beside the old ones over the
whole window, and leave with the way back: what was made while both served is there afterwards.

The old ones are not removed here: servers that know those alone forbid it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from migrate.cloud import Context, wait
from migrate.phases.session import context_of
from migrate.storage.ceph import addresses, facts, members
from tests.ceph.unharmed import unharmed
from tests.infra.engine import STACK, Project
from tests.lab import cloud, traces
from tests.lab.ceph import cluster, gateway
from tests.lab.demo import TIDY_SECONDS
from tests.lab.remote import ssh
from tests.lab.settings import CephLab
from tests.on_ceph.test_over import kept, sums
from tests.on_ceph.test_source import reboot, tenant

pytestmark = [pytest.mark.lab, pytest.mark.in_set("lab-ceph-daemons"), pytest.mark.in_order]
LONGEST_GAP = 30.0  # seconds; clients look for another monitor, and two cores carry it all
KEY = "ceph auth get-or-create client.beside mon 'allow r'"


@dataclass(frozen=True, slots=True)
class Site:
    """A project, and how the source and its cluster were before anybody came."""

    project: Project
    context: Context
    traces: dict[str, Any]
    cluster: facts.Cluster
    sums: dict[str, str]
    objects: dict[str, str]


@pytest.fixture(scope="module")
def site(lab: CephLab, whole_project: Project) -> Site:
    context = context_of(STACK, whole_project.root)
    hosts = [*context.source.hosts, *context.storage]
    objects = gateway.checksums(tenant(lab))
    before = facts.read(context.named(lab.monitor))
    return Site(whole_project, context, traces.look(hosts), before, sums(lab), objects)


def now(lab: CephLab, site: Site) -> facts.Cluster:
    """The cluster by the old monitor's word."""
    return facts.read(site.context.named(lab.monitor))


def left(site: Site) -> list[str]:
    """What is not as it was on any host, but for the domain that we have rebooted."""
    hosts = [*site.context.source.hosts, *site.context.storage]
    found = traces.differences(site.traces, traces.look(hosts))
    return [one for one in found if "/etc/libvirt/qemu/" not in one]


def test_nothing_forbids_it(site: Site) -> None:
    site.project.up()
    assert site.project.changes() == {}
    assert "ready:" in site.project.migrate("check")


def test_they_join_while_the_source_serves(lab: CephLab, site: Site) -> None:
    with unharmed(lab, LONGEST_GAP):
        site.project.migrate("follow", "--execute")
    found = now(lab, site)
    assert found.quorum == {lab.monitor, lab.target}
    assert (found.manager, found.standbys) == (lab.monitor, (lab.target,))
    users = members.users(site.context)
    assert {one.name for one in users} == set(lab.addresses)
    assert addresses.told(users, members.news(site.context))
    beside = gateway.client(lab, lab.target, gateway.login(lab, lab.monitor))
    assert gateway.checksums(beside) == site.objects


def test_over_with_both_in_the_quorum(lab: CephLab, site: Site) -> None:
    with unharmed(lab, LONGEST_GAP):
        said = site.project.migrate("cutover", "--execute", "--confirm", STACK)
    assert "The target serves." in said
    assert "0 differ" in site.project.migrate("verify")
    assert now(lab, site).quorum == {lab.monitor, lab.target}
    assert kept(lab, site.sums) == site.sums


def test_servers_that_know_the_old_monitors_alone_forbid_their_removal(
    lab: CephLab, site: Site
) -> None:
    asked = ("settle", "--ceph", "--execute", "--past", lab.monitor)
    said = " ".join(site.project.migrate(*asked, ends=4).split())
    assert "know none of the new monitors" in said
    assert now(lab, site).quorum == {lab.monitor, lab.target}


def test_what_starts_while_both_serve_is_told_of_both(lab: CephLab, admin: Any) -> None:
    reboot(lab, admin, "inside")
    (name,) = (one.compute_host for one in admin.compute.servers(all_projects=True, name="inside"))
    told = ssh(lab, name, "cat /etc/libvirt/qemu/*.xml")
    assert all(f"<host name='{lab.addresses[one]}'" in told for one in (lab.monitor, lab.target))


def test_back_and_what_was_made_meanwhile_stays(lab: CephLab, site: Site) -> None:
    volume = next(one for one in site.sums if one.startswith("volumes/"))
    ssh(lab, lab.client, f"rbd --id cinder snap create --no-progress {volume}@beside")
    key = ssh(lab, lab.monitor, KEY)
    with unharmed(lab, LONGEST_GAP):
        site.project.go_back()
    assert cloud.silent_apis(lab) == []
    cluster.wait_until_clean(lab)
    after = now(lab, site)
    assert (after.monitors, after.manager) == (site.cluster.monitors, site.cluster.manager)
    assert (after.standbys, after.modules) == (site.cluster.standbys, site.cluster.modules)
    assert wait.while_any(lambda: left(site), TIDY_SECONDS, pause=2) == []
    assert ssh(lab, lab.monitor, KEY) == key
    assert "beside" in ssh(lab, lab.client, f"rbd --id cinder snap ls {volume}")
    assert kept(lab, site.sums) == site.sums
    assert gateway.checksums(tenant(lab)) == site.objects
    ssh(lab, lab.client, f"rbd --id cinder snap rm --no-progress {volume}@beside")
    ssh(lab, lab.monitor, "ceph auth rm client.beside")
