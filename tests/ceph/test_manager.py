"""A manager of the new release stands by, takes over and leaves, while a client writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrate.cloud.host import Host
from migrate.errors import PreconditionError, StepError
from migrate.storage.ceph import facts, findings, manager, monitor
from tests.ceph.conftest import Reach
from tests.ceph.killed import killed_after, seconds_of
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster
from tests.lab.ceph.settings import CephRig
from tests.lab.remote import ssh

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph"), pytest.mark.in_order]

LONGEST_GAP = 10.0  # nobody waits for a manager; tests share their cores with others
TRACES = "find /var/lib/ceph/mgr /etc/systemd -name 'ceph-mgr@*' -o -path '/var/lib/ceph/mgr/*'"


@pytest.fixture(scope="module", autouse=True)
def joined(rig: CephRig, old: Host, new: Host) -> Iterator[None]:
    """A monitor of the new release stands on the machine; it leaves at the end."""
    monitor.join(old, new)
    yield
    monitor.leave(old, new)
    cluster.wait_until_clean(rig)
    assert "/var/lib/migrate" not in old.shell("ls -d /var/lib/migrate 2>/dev/null || true")


@pytest.fixture(autouse=True)
def client(rig: CephRig) -> Iterator[None]:
    """One that writes: no manager is asked by it."""
    with unharmed(rig, LONGEST_GAP):
        yield


@pytest.fixture(scope="module")
def before(old: Host, joined: None) -> facts.Cluster:
    """The cluster as it was, but for the monitor."""
    return facts.read(old)


def assert_as_before(rig: CephRig, old: Host, new: Host, before: facts.Cluster) -> None:
    """The old manager alone, with its modules, and no trace of another."""
    now = facts.read(old)
    assert (now.manager, now.standbys, now.modules) == (before.manager, (), before.modules)
    assert now.pools == before.pools
    cluster.wait_until_clean(rig)
    assert f"mgr.{rig.target}" not in ssh(rig, rig.monitor, "ceph auth ls 2>/dev/null")
    assert new.shell(TRACES).split() == []
    assert new.shell("dpkg --verify ceph-mgr-modules-core") == ""
    assert "ceph-manager" not in new.shell("ls /var/lib/migrate")


def test_a_module_that_fails_is_told_before_it_is_active(
    rig: CephRig, old: Host, new: Host, before: facts.Cluster
) -> None:
    balancer = "/usr/share/ceph/mgr/balancer/module.py"
    new.shell(f"sed -i '1i import nowhere' {balancer}")
    try:
        with pytest.raises(
            StepError, match=r"modules .* fail in its manager: balancer \(.*nowhere"
        ):
            manager.stand_by(old, new)
        assert facts.read(old).manager == rig.monitor
    finally:
        new.shell(f"sed -i 1d {balancer}")
    manager.leave(old, new)
    assert_as_before(rig, old, new, before)


def test_a_module_that_is_in_use_is_not_taken_away(
    rig: CephRig, old: Host, new: Host, before: facts.Cluster
) -> None:
    old.run("ceph", "config-key", "set", "mgr/restful/keys/somebody", "key")
    try:
        with pytest.raises(PreconditionError, match="restful has keys"):
            manager.stand_by(old, new)
    finally:
        old.run("ceph", "config-key", "rm", "mgr/restful/keys/somebody")
    assert_as_before(rig, old, new, before)


def test_it_stands_by_takes_over_and_leaves(
    rig: CephRig, old: Host, new: Host, before: facts.Cluster
) -> None:
    assert not manager.stands_by(old, new)
    manager.stand_by(old, new)
    assert manager.stands_by(old, new)
    assert not manager.is_active(old, new)
    assert facts.read(old).manager == rig.monitor
    manager.stand_by(old, new)  # again: nothing to do

    manager.activate(old, new)
    assert manager.is_active(old, new)
    now = facts.read(old)
    assert (now.manager, now.standbys) == (rig.target, (rig.monitor,))
    assert now.versions["mgr"] == {(16, 2, 15): 1, (18, 2, 7): 1}
    assert now.unclean == {}
    cluster.wait_until_clean(rig)
    assert list(findings.health(now)) == []
    # what needs a module: its own word, not that it is listed
    assert "active" in ssh(rig, rig.monitor, "ceph balancer status 2>/dev/null")
    assert ssh(rig, rig.monitor, "ceph rbd task list").strip() == "[]"

    manager.hand_back(old, new)
    assert not manager.is_active(old, new)
    assert facts.read(old).manager == rig.monitor
    manager.activate(old, new)
    manager.leave(old, new)  # also of an active one
    assert_as_before(rig, old, new, before)
    manager.leave(old, new)
    assert_as_before(rig, old, new, before)


def test_it_is_back_after_a_boot_of_its_daemon_whose_package_was_updated(
    rig: CephRig, old: Host, new: Host, before: facts.Cluster
) -> None:
    manager.stand_by(old, new)
    module = "/usr/share/ceph/mgr/mgr_util.py"
    new.shell(f"sed -i 's/^bcrypt = None$/import bcrypt/' {module}")
    assert "import bcrypt" in new.shell(f"cat {module}")
    new.run("systemctl", "restart", f"ceph-mgr@{rig.target}")
    manager.stand_by(old, new)
    manager.leave(old, new)
    assert_as_before(rig, old, new, before)


def test_killed_anywhere_it_goes_on(
    rig: CephRig, reach: Reach, old: Host, new: Host, before: facts.Cluster
) -> None:
    names = (rig.monitor, rig.target)
    standing = seconds_of(manager.stand_by, old, new)
    taking = seconds_of(manager.activate, old, new)
    leaving = seconds_of(manager.leave, old, new)
    print(f"stand by {standing:.1f} s, take over {taking:.1f} s, leave {leaving:.1f} s")
    for part in (0.3, 0.7):
        killed_after(part * standing, manager.stand_by, reach, *names)
        manager.stand_by(old, new)
        killed_after(part * taking, manager.activate, reach, *names)
        manager.activate(old, new)
        assert manager.is_active(old, new)
        killed_after(part * leaving, manager.leave, reach, *names)
        manager.leave(old, new)
        assert facts.read(old).modules == before.modules
    killed_after(0.6 * standing, manager.stand_by, reach, *names)
    manager.leave(old, new)
    assert_as_before(rig, old, new, before)
