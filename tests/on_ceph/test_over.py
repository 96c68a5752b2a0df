"""A whole pass of the lab on Ceph, while a client writes: over, and back by `pulumi destroy`.

The cluster's own daemons stay as they are, and so do the compute hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.phases.session import context_of
from migrate.storage import backup
from migrate.storage.backup import proof
from tests import canaries
from tests.ceph.unharmed import unharmed
from tests.full.watch import words
from tests.infra.engine import STACK, Project
from tests.lab import cloud, identity, traces
from tests.lab.ceph import cluster, gateway
from tests.lab.demo import TIDY_SECONDS
from tests.lab.remote import ssh
from tests.lab.settings import CephLab
from tests.on_ceph import own_bucket
from tests.sampler import sampling

pytestmark = [pytest.mark.lab, pytest.mark.in_set("lab-ceph-over"), pytest.mark.in_order]
LONGEST_GAP = 10.0  # seconds; nothing of the cluster is touched, and two cores carry it all
MADE = "made on the target"
LAST_COPY = f"{own_bucket.URL} is in the cloud's own Ceph cluster, which a backup is to outlast"


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


def test_it_is_backed_up_to_its_own_cluster_which_is_told(
    lab: CephLab, site: Site, tmp_path: Path
) -> None:
    keys = gateway.login(lab, lab.monitor)
    of_ceph = [f"ceph auth print-key client.{one}" for one in ("glance", "cinder")]
    secrets = [*words(lab), *(ssh(lab, lab.monitor, one).strip() for one in of_ceph)]
    secrets += [keys["aws_secret_access_key"], own_bucket.SECRET]
    asked = ("backup", "--to", own_bucket.URL)
    with own_bucket.made(lab) as client, own_bucket.environment(lab, tmp_path, keys):
        assert LAST_COPY in plain(site.project.migrate(*asked))
        assert own_bucket.stored(client) == {}
        with (
            unharmed(lab, LONGEST_GAP),
            sampling(secrets, tmp_path / "seen.json") as sampled,
        ):
            said = plain(site.project.migrate(*asked, "--execute"))
        assert LAST_COPY in said
        assert "stored and restored, equal:" in said
        assert sampled.seen["samples"] > 100
        assert [one for one in sampled.seen["found"] if one[0] == "arguments"] == []
        assert canaries.among(site.project.root / "papers", secrets) == []
        context = context_of(STACK, site.project.root)
        own_bucket.assert_sealed(
            own_bucket.stored(client), *backup.manifest(context, own_bucket.URL), secrets
        )
        assert backup.restore_proof(context, own_bucket.URL) == []
    target = context.target.database
    assert not target.exists(proof.FOLDER)
    assert not target.succeeds("systemctl", "is-active", "-q", proof.UNIT)


def plain(said: str) -> str:
    """Without the ends of lines."""
    return " ".join(said.split())


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
