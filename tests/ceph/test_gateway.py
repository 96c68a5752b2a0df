"""A gateway of the new release stands beside the old one, serves alone and leaves.

Users' objects are the same by each of them, whoever was given them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from random import Random

import pytest
from botocore.exceptions import EndpointConnectionError

from infra import nspawn
from migrate.cloud.host import Host
from migrate.errors import CommandError, PreconditionError, StepError, UnreachableError
from migrate.storage.ceph import facts, monitor
from migrate.storage.ceph import gateway as moved
from tests.ceph.conftest import Reach
from tests.ceph.killed import killed_after, seconds_of
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster, gateway, packages
from tests.lab.ceph.settings import CephRig
from tests.lab.remote import ssh

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph"), pytest.mark.in_order]

LONGEST_GAP = 5.0  # no client of images asks a gateway; tests share their cores with others
TRACES = (
    "find /var/lib/ceph/radosgw /etc/systemd -mindepth 1 -name '*rgw*' -o -name 'ceph-radosgw@*'"
)


@pytest.fixture(scope="module")
def keys(rig: CephRig) -> Mapping[str, str]:
    """The tenant's."""
    return gateway.login(rig, rig.monitor)


@pytest.fixture(scope="module")
def sums(rig: CephRig, keys: Mapping[str, str]) -> dict[str, str]:
    """What the tenant has kept, by the old gateway."""
    found = gateway.checksums(gateway.client(rig, rig.monitor, keys))
    assert set(found) == set(gateway.SIZES)
    return found


@pytest.fixture(scope="module", autouse=True)
def joined(rig: CephRig, old: Host, new: Host) -> Iterator[None]:
    """A monitor of the new release stands on the machine; it leaves at the end."""
    monitor.join(old, new)
    yield
    monitor.leave(old, new)
    cluster.wait_until_clean(rig)
    for host in (old, new):
        assert "/var/lib/migrate" not in host.shell("ls -d /var/lib/migrate 2>/dev/null || true")


@pytest.fixture(autouse=True)
def client(rig: CephRig) -> Iterator[None]:
    """One that writes beside it."""
    with unharmed(rig, LONGEST_GAP):
        yield


@pytest.fixture(scope="module")
def before(old: Host, new: Host, joined: None) -> tuple[str, frozenset[str]]:
    """The new machine's ceph.conf and the cluster's pools, as they were."""
    return new.read("/etc/ceph/ceph.conf"), pools(old)


def pools(old: Host) -> frozenset[str]:
    return frozenset(pool.name for pool in facts.read(old).pools)


def content(name: str) -> bytes:
    return Random(name).randbytes(gateway.PART + 1000)


def assert_as_before(
    rig: CephRig, old: Host, new: Host, keys: Mapping[str, str], before: tuple[str, frozenset[str]]
) -> None:
    """The old gateway alone serves, nobody's user but the tenant's is known, no trace is left."""
    assert (new.read("/etc/ceph/ceph.conf"), pools(old)) == before
    assert new.shell(TRACES).split() == []
    for host in (old, new):
        assert "gateway" not in host.shell("ls /var/lib/migrate 2>/dev/null || true")
    assert ssh(rig, rig.monitor, "radosgw-admin user list").split('"')[1::2] == [gateway.TENANT]
    assert ssh(rig, rig.monitor, "radosgw-admin bucket list").split('"')[1::2] == [gateway.BUCKET]
    unit = f"ceph-radosgw@rgw.{rig.monitor}"
    assert old.run("systemctl", "is-enabled", unit).strip() == "enabled"
    gateway.client(rig, rig.monitor, keys).head_bucket(Bucket=gateway.BUCKET)
    with pytest.raises(EndpointConnectionError):
        gateway.client(rig, rig.target, keys).head_bucket(Bucket=gateway.BUCKET)


def test_it_stands_beside_serves_alone_and_leaves(
    rig: CephRig,
    old: Host,
    new: Host,
    keys: Mapping[str, str],
    sums: dict[str, str],
    before: tuple[str, frozenset[str]],
) -> None:
    assert not moved.stands_beside(old, new)
    with pytest.raises(PreconditionError, match="does not stand beside"):
        moved.take_over(old, new)
    moved.stand_beside(old, new)
    assert moved.stands_beside(old, new)
    assert not moved.serves_alone(old, new)
    its, ours = (gateway.client(rig, name, keys) for name in (rig.monitor, rig.target))
    assert gateway.checksums(ours) == sums
    assert facts.read(old).versions["rgw"] == {(16, 2, 15): 1, (18, 2, 7): 1}
    gateway.put(ours, "by the new one", content("by the new one"))
    gateway.put(its, "by the old one", content("by the old one"))
    wanted = sums | {
        name: sha256(content(name)).hexdigest() for name in ("by the new one", "by the old one")
    }
    assert gateway.checksums(its) == gateway.checksums(ours) == wanted
    moved.stand_beside(old, new)  # again: nothing to do

    moved.take_over(old, new)
    assert moved.serves_alone(old, new)
    with pytest.raises(EndpointConnectionError):
        its.head_bucket(Bucket=gateway.BUCKET)
    with pytest.raises(CommandError, match="masked"):
        old.run("systemctl", "start", f"ceph-radosgw@rgw.{rig.monitor}")
    gateway.put(ours, "meanwhile", content("meanwhile"))
    ours.delete_object(Bucket=gateway.BUCKET, Key="by the old one")
    moved.take_over(old, new)  # again
    moved.stand_beside(old, new)
    assert moved.serves_alone(old, new)

    moved.hand_back(old, new)
    assert not moved.serves_alone(old, new)
    assert moved.stands_beside(old, new)
    del wanted["by the old one"]
    wanted["meanwhile"] = sha256(content("meanwhile")).hexdigest()
    assert gateway.checksums(its) == gateway.checksums(ours) == wanted
    moved.take_over(old, new)
    moved.leave(old, new)  # also of one that serves alone
    assert gateway.checksums(its) == wanted
    for name in ("by the new one", "meanwhile"):
        its.delete_object(Bucket=gateway.BUCKET, Key=name)
    assert gateway.checksums(its) == sums
    assert_as_before(rig, old, new, keys, before)
    moved.leave(old, new)
    assert_as_before(rig, old, new, keys, before)


def test_one_that_would_serve_otherwise_is_told_and_serves_nobody(
    rig: CephRig,
    old: Host,
    new: Host,
    keys: Mapping[str, str],
    before: tuple[str, frozenset[str]],
) -> None:
    conf = "/etc/ceph/ceph.conf"
    new.shell(f"sed -i '/^.global.$/a rgw obj stripe size = 1048576' {conf}")
    try:
        with pytest.raises(StepError, match="goes by another rgw_obj_stripe_size"):
            moved.stand_beside(old, new)
        with pytest.raises(EndpointConnectionError):
            gateway.client(rig, rig.target, keys).head_bucket(Bucket=gateway.BUCKET)
    finally:
        moved.leave(old, new)
        new.write(conf, before[0], mode=0o644)
    assert_as_before(rig, old, new, keys, before)


def test_a_port_that_is_taken_is_refused_before_anything_is_touched(
    rig: CephRig,
    old: Host,
    new: Host,
    keys: Mapping[str, str],
    before: tuple[str, frozenset[str]],
) -> None:
    listens = f"python3 -m http.server --bind 127.0.0.1 {gateway.PORT}"
    new.shell(f"systemd-run -q --unit=taken --collect {listens}; sleep 2")
    try:
        with pytest.raises(CommandError, match=f"listens on port {gateway.PORT} already"):
            moved.stand_beside(old, new)
    finally:
        new.run("systemctl", "stop", "taken")
    assert_as_before(rig, old, new, keys, before)


def test_killed_anywhere_it_goes_on(
    rig: CephRig,
    reach: Reach,
    old: Host,
    new: Host,
    keys: Mapping[str, str],
    sums: dict[str, str],
    before: tuple[str, frozenset[str]],
) -> None:
    names = (rig.monitor, rig.target)
    standing = seconds_of(moved.stand_beside, old, new)
    taking = seconds_of(moved.take_over, old, new)
    leaving = seconds_of(moved.leave, old, new)
    print(f"stand beside {standing:.1f} s, take over {taking:.1f} s, leave {leaving:.1f} s")
    for part in (0.3, 0.7):
        killed_after(part * standing, moved.stand_beside, reach, *names)
        moved.stand_beside(old, new)
        killed_after(part * taking, moved.take_over, reach, *names)
        moved.take_over(old, new)
        assert moved.serves_alone(old, new)
        killed_after(part * leaving, moved.leave, reach, *names)
        moved.leave(old, new)
    killed_after(0.5 * standing, moved.stand_beside, reach, *names)
    moved.leave(old, new)
    assert gateway.checksums(gateway.client(rig, rig.monitor, keys)) == sums
    assert_as_before(rig, old, new, keys, before)


def test_the_new_machine_dies_and_the_old_gateway_serves(
    rig: CephRig,
    old: Host,
    new: Host,
    keys: Mapping[str, str],
    sums: dict[str, str],
    before: tuple[str, frozenset[str]],
) -> None:
    moved.stand_beside(old, new)
    moved.take_over(old, new)
    machine = cluster.machine(rig, rig.target, packages.new())
    nspawn.stop(machine, 0)
    with pytest.raises(UnreachableError):
        monitor.leave(old, new)  # without a quorum no gateway serves
    with pytest.raises(UnreachableError):
        moved.leave(old, new)
    assert gateway.checksums(gateway.client(rig, rig.monitor, keys)) == sums
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    moved.leave(old, new)
    monitor.leave(old, new)
    monitor.join(old, new)
    assert_as_before(rig, old, new, keys, before)
