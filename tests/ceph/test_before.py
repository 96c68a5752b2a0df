"""A real cluster is read and found well; broken in one way at a time, that is found."""

from __future__ import annotations

import pytest

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, Severity
from migrate.storage.ceph import facts, findings
from tests.lab.ceph import cluster
from tests.lab.ceph.settings import CephRig

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph")]

REEF = 18
# what it is, how it comes, how it goes, what is said of it
BREAKS = {
    "a flag": ("ceph osd set noout", "ceph osd unset noout", "flags are set: noout"),
    "a flag of one host": (
        "ceph osd set-group noout ceph-osd1",
        "ceph osd unset-group noout ceph-osd1",
        "flags are set for ceph-osd1: noout",
    ),
    "one copy": (
        "ceph config set mon mon_allow_pool_size_one true\n"
        "ceph osd pool set backups size 1 --yes-i-really-mean-it",
        "ceph osd pool set backups size 2\nceph osd pool set backups min_size 1\n"
        "ceph config rm mon mon_allow_pool_size_one",
        "pool backups has one copy",
    ),
    "a pool that stops": (
        "ceph osd pool set volumes min_size 2",
        "ceph osd pool set volumes min_size 1",
        "pool volumes stops when one of its 2 copies is away",
    ),
    "an erasure-coded pool": (
        "ceph osd pool create coded 1 1 erasure",
        "ceph config set mon mon_allow_pool_delete true\n"
        "ceph osd pool rm coded coded --yes-i-really-really-mean-it\n"
        "ceph osd crush rule rm coded\nceph config rm mon mon_allow_pool_delete",
        "pools are erasure-coded: coded",
    ),
    "a ratio reached": (
        "ceph osd set-nearfull-ratio 0.01",
        "ceph osd set-nearfull-ratio 0.85",
        "OSD_NEARFULL",
    ),
    "an OSD that is out": (
        "ceph osd out 0",
        "ceph osd in 0",
        "placement groups are not active and clean",
    ),
}


def errors(host: Host) -> list[Finding]:
    found = findings.before(facts.read(host), REEF)
    return [one for one in found if one.severity is Severity.ERROR]


def test_a_cluster_that_is_well_has_no_findings(rig: CephRig, old: Host) -> None:
    read = facts.read(old)
    assert read.health == "HEALTH_OK"
    assert read.fsid == rig.fsid
    assert [one.name for one in read.monitors] == [rig.monitor]
    assert {pool.name for pool in read.pools} >= {"images", "volumes", "vms", "backups"}
    assert read.hosts == set(rig.osd_hosts)
    assert read.versions["osd"].keys() == {(16, 2, 15)}
    assert list(findings.before(read, REEF)) == []


@pytest.mark.parametrize(("breaks", "mends", "words"), BREAKS.values(), ids=BREAKS)
def test_what_is_broken_is_found(old: Host, breaks: str, mends: str, words: str) -> None:
    def not_told() -> list[str]:
        said = [one.message for one in errors(old)]
        return [] if any(words in one for one in said) else said or ["nothing is wrong"]

    try:
        old.shell(breaks)
        assert wait.while_any(not_told, 30) == []  # the cluster takes a moment to complain
    finally:
        old.shell(mends)
    # what it says of its groups is some seconds old
    assert wait.while_any(lambda: errors(old), cluster.CLEAN_SECONDS) == []


def test_a_host_without_a_key_says_so(new: Host) -> None:
    with pytest.raises(Exception, match="ceph -f json status exited"):
        facts.read(new)
