"""A monitor of the new release joins the old quorum and leaves it, while a client writes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from infra import nspawn
from migrate.cloud.host import Host
from migrate.errors import PreconditionError, UnreachableError
from migrate.storage.ceph import facts, findings, monitor
from tests.ceph.conftest import Reach
from tests.ceph.killed import killed_after, seconds_of
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster, packages
from tests.lab.ceph.settings import CephRig
from tests.lab.remote import ssh

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph"), pytest.mark.in_order]

LONGEST_GAP = 2.0
TRACES = "ls -d /var/lib/ceph/mon/* /etc/ceph/* /var/lib/migrate 2>/dev/null || true"


@pytest.fixture(scope="module")
def before(old: Host) -> monitor.Standing:
    """The quorum as it was."""
    return monitor.standing(old)


@pytest.fixture(scope="module", autouse=True)
def sums(rig: CephRig) -> Iterator[dict[str, str]]:
    """What is in every image: the same at the end."""
    found = cluster.checksums(rig)
    yield found
    assert cluster.checksums(rig) == found


@pytest.fixture(autouse=True)
def client(rig: CephRig, sums: dict[str, str]) -> Iterator[None]:
    """One that writes: no block is lost, and none waits."""
    with unharmed(rig, LONGEST_GAP):
        yield


def assert_as_before(rig: CephRig, old: Host, new: Host, before: monitor.Standing) -> None:
    """One monitor as at the beginning, a cluster that is well, and nothing of ours anywhere."""
    assert monitor.standing(old) == before
    assert not monitor.joined(old, new)
    cluster.wait_until_clean(rig)
    assert list(findings.before(facts.read(old), 18)) == []
    assert new.shell(TRACES).split() == ["/etc/ceph/rbdmap"]  # the package's
    assert "/var/lib/migrate" not in old.shell(TRACES)
    units = f"systemctl is-enabled ceph-mon@{new.name}; systemctl is-active ceph-mon@{new.name}"
    assert new.shell(f"({units}) 2>&1 || true").split()[-1] == "inactive"
    assert f"multi-user.target.wants/ceph-mon@{new.name}" not in new.shell(
        "find /etc/systemd/system -name 'ceph-mon@*'"
    )


def test_what_cannot_be_a_monitor_is_refused_before_anything_is_touched(
    rig: CephRig, old: Host, new: Host, before: monitor.Standing
) -> None:
    plugins = "/usr/lib/x86_64-linux-gnu/ceph/erasure-code"
    new.shell(f"mv {plugins} {plugins}.away")
    try:
        with pytest.raises(PreconditionError, match=r"plugins.* install ceph-base"):
            monitor.join(old, new)
    finally:
        new.shell(f"mv {plugins}.away {plugins}")
    assert_as_before(rig, old, new, before)


def test_it_joins_and_leaves(rig: CephRig, old: Host, new: Host, before: monitor.Standing) -> None:
    assert not monitor.joined(old, new)
    monitor.join(old, new)
    assert monitor.joined(old, new)
    now = monitor.standing(old)
    assert now.quorum == {rig.monitor, rig.target}
    assert now.release == 16, "an old monitor could not come back"
    address = rig.addresses[rig.target]
    assert (
        facts.Monitor(rig.target, {"v1": f"{address}:6789", "v2": f"{address}:3300"})
        in now.monitors
    )
    read = facts.read(old)
    assert read.health == "HEALTH_OK", read.complaints
    assert read.versions["mon"] == {(16, 2, 15): 1, (18, 2, 7): 1}
    assert facts.read(new).fsid == rig.fsid
    # made while both serve: there afterwards
    ssh(rig, rig.client, "rbd --id cinder snap create volumes/plain@meanwhile 2>/dev/null")
    monitor.join(old, new)  # again: nothing to do
    assert monitor.standing(old) == now

    monitor.leave(old, new)
    assert_as_before(rig, old, new, before)
    assert "meanwhile" in ssh(rig, rig.client, "rbd --id cinder snap ls volumes/plain")
    monitor.leave(old, new)
    assert_as_before(rig, old, new, before)


def test_killed_anywhere_it_goes_on(
    rig: CephRig, reach: Reach, old: Host, new: Host, before: monitor.Standing
) -> None:
    names = (rig.monitor, rig.target)
    joining = seconds_of(monitor.join, old, new)
    leaving = seconds_of(monitor.leave, old, new)
    print(f"join {joining:.1f} s, leave {leaving:.1f} s")
    for part in (0.1, 0.3, 0.45, 0.6, 0.75, 0.9):
        killed_after(part * joining, monitor.join, reach, *names)
        monitor.join(old, new)
        assert monitor.joined(old, new)
        killed_after(part * leaving, monitor.leave, reach, *names)
        monitor.leave(old, new)
        assert monitor.standing(old) == before
    # and what was begun is gone back from, without having been whole
    for part in (0.2, 0.4, 0.6, 0.8):
        killed_after(part * joining, monitor.join, reach, *names)
        monitor.leave(old, new)
        assert monitor.standing(old) == before
    assert_as_before(rig, old, new, before)


@pytest.mark.parametrize("missed", [0, 40], ids=["just now", "for long"])
def test_the_new_host_dies_and_the_old_one_serves_alone(
    rig: CephRig, old: Host, new: Host, before: monitor.Standing, missed: float
) -> None:
    monitor.join(old, new)
    mark = f"both{missed}"
    ssh(rig, rig.client, f"rbd --id cinder snap create volumes/plain@{mark} 2>/dev/null")
    machine = cluster.machine(rig, rig.target, packages.new())
    nspawn.stop(machine, 0)
    time.sleep(missed)
    assert not missed or not monitor.standing(old).quorum
    began = time.monotonic()
    with pytest.raises(UnreachableError):
        monitor.leave(old, new)
    print(f"alone again after {time.monotonic() - began:.1f} s")
    assert monitor.standing(old) == before
    assert mark in ssh(rig, rig.client, "rbd --id cinder snap ls volumes/plain")

    nspawn.start(machine)  # its monitor starts, and nobody lets it in
    nspawn.wait_for_ssh(machine)
    time.sleep(10)
    assert monitor.standing(old) == before
    monitor.leave(old, new)
    assert_as_before(rig, old, new, before)
