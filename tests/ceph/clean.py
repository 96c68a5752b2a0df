"""Whether the cluster is well by the new release's word, while its OSDs are of two."""

from __future__ import annotations

from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.storage.ceph import facts, findings, statistics
from tests.lab.ceph import cluster


def wait_until_clean(new: Host) -> None:
    """Every group is active and clean by the present manager's word, and nothing is complained of.

    But for that OSDs are older, which is so in the middle.
    """
    statistics.wait_until_fresh(new)
    wrong = wait.while_any(lambda: [*findings.well(facts.read(new))], cluster.CLEAN_SECONDS)
    assert wrong == []
