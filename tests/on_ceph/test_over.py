"""A whole pass of the lab on Ceph, while a client writes: over, and back by `pulumi destroy`.

The cluster's own daemons stay as they are, and so do the compute hosts. What refuses all this is
lifted here; once it has passed, the words that refuse go, and `shown.py` with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.phases.session import context_of
from tests.ceph.unharmed import unharmed
from tests.infra.engine import STACK, Project
from tests.lab import cloud, identity, traces
from tests.lab.ceph import cluster
from tests.lab.demo import TIDY_SECONDS
from tests.lab.remote import ssh
from tests.lab.settings import CephLab

pytestmark = [pytest.mark.lab, pytest.mark.in_set("lab-ceph-over"), pytest.mark.in_order]
LONGEST_GAP = 10.0  # seconds; nothing of the cluster is touched, and two cores carry it all
MADE = "made on the target"


@dataclass(frozen=True, slots=True)
class Site:
    """A project, and how the source was before anybody came."""

    project: Project
    hosts: list[Host]
    traces: dict[str, Any]
    sums: dict[str, str]


@pytest.fixture(scope="module")
def site(lab: CephLab, project: Project) -> Site:
    hosts = list(context_of(STACK, project.root).source.hosts)
    return Site(project, hosts, traces.look(hosts), sums(lab))


def sums(lab: CephLab) -> dict[str, str]:
    return cluster.checksums(lab) | cluster.snapshots(lab)


def kept(lab: CephLab, before: dict[str, str]) -> dict[str, str]:
    """What is now in what was there *before*."""
    return {name: told for name, told in sums(lab).items() if name in before}


def test_the_target_is_made_a_client(lab: CephLab, site: Site) -> None:
    site.project.up()
    assert site.project.changes() == {}
    assert "18.2" in ssh(lab, lab.target, "ceph --version")


def test_nothing_forbids_it(site: Site) -> None:
    assert "ready:" in site.project.migrate("check")


def test_over_while_a_client_writes(lab: CephLab, site: Site) -> None:
    with unharmed(lab, LONGEST_GAP):
        site.project.migrate("follow", "--execute")
        said = site.project.migrate("cutover", "--execute", "--confirm", STACK)
    assert "The target serves." in said


def test_all_that_was_there_is_there(lab: CephLab, site: Site) -> None:
    assert "0 differ" in site.project.migrate("verify")
    assert kept(lab, site.sums) == site.sums


def test_what_the_target_makes_is_a_clone(lab: CephLab, site: Site) -> None:
    cinder = identity.connect(lab, "demo", "demo").block_storage
    image = identity.connect(lab).image.find_image("tiny")
    made = cinder.create_volume(name=MADE, size=1, image_id=image.id)
    cinder.wait_for_status(made, "available", ["error"], interval=0.5, wait=240)
    told = ssh(lab, lab.client, f"rbd --id cinder info volumes/volume-{made.id}")
    assert f"parent: images/{image.id}@snap" in told


def test_back_and_the_source_is_what_it_was(lab: CephLab, site: Site) -> None:
    with unharmed(lab, LONGEST_GAP):
        site.project.go_back()
    assert cloud.silent_apis(lab) == []
    left = wait.while_any(
        lambda: traces.differences(site.traces, traces.look(site.hosts)), TIDY_SECONDS, pause=2
    )
    assert left == []
    now = sums(lab)
    assert {name: now.get(name) for name in site.sums} == site.sums
    (made,) = now.keys() - site.sums.keys()  # it stays under its name, as the losses say
    ssh(lab, lab.client, f"rbd --id cinder rm --no-progress {made}")
    names = {one.name for one in identity.connect(lab).block_storage.volumes(all_projects=True)}
    assert MADE not in names
    assert site.project.urns() == []
