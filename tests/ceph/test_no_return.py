"""Old monitors are removed by name, while a client writes.

That has no way back, so this comes last on a rig: the next needs a new one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra import nspawn
from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.errors import CommandError, IrreversibleError, PreconditionError
from migrate.onhost import call
from migrate.storage.ceph import addresses, commit, facts, manager, monitor, statistics
from tests.ceph.conftest import Reach
from tests.ceph.killed import killed_after
from tests.lab.ceph import cluster, packages, writer
from tests.lab.ceph.settings import CephRig
from tests.lab.remote import ssh

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph"), pytest.mark.in_order]

# OSDs and clients look for another monitor, 10 to 15 s; tests share their cores with others
LONGEST_GAP = 30.0
STORE = "/var/lib/ceph/mon/ceph-ceph-mon"


@pytest.fixture(scope="module")
def users(rig: CephRig, reach: Reach) -> list[Host]:
    """Who finds the cluster by a ceph.conf of its own."""
    return [reach(name) for name in (rig.monitor, *rig.osd_hosts, rig.client)]


@pytest.fixture(scope="module", autouse=True)
def sums(rig: CephRig, old: Host, new: Host) -> Iterator[dict[str, str]]:
    """What is in every image: the same at the end. New daemons have joined, something was made."""
    cluster.spoil(rig)
    found = cluster.checksums(rig)
    monitor.join(old, new)
    manager.stand_by(old, new)
    ssh(rig, rig.client, "rbd --id cinder snap create volumes/plain@meanwhile 2>/dev/null")
    yield found
    assert cluster.checksums(rig) == found
    assert "meanwhile" in ssh(rig, rig.client, "rbd --id cinder snap ls volumes/plain")


@pytest.fixture(autouse=True)
def client(rig: CephRig, sums: dict[str, str]) -> Iterator[None]:
    """One that writes: no block is lost."""
    with writer.writing(rig) as written:
        yield
    print(written)
    assert written.written > 0
    assert written.bad == 0
    assert written.longest < LONGEST_GAP, written.gaps


def wait_until_clean(new: Host) -> None:
    """Every group is active and clean, by the present manager's word."""
    statistics.wait_until_fresh(new)
    assert wait.while_any(lambda: facts.read(new).unclean, cluster.CLEAN_SECONDS) == {}


def test_it_is_refused_until_all_is_ready_and_named(
    rig: CephRig, old: Host, new: Host, users: list[Host]
) -> None:
    before = monitor.standing(old)
    with pytest.raises(IrreversibleError, match=r"no way back .* name it"):
        commit.commit([old], [new], users, [])
    with pytest.raises(PreconditionError, match="would find no monitor after a boot"):
        commit.commit([old], [new], users, [rig.monitor])
    assert not addresses.told(users, [new])
    addresses.tell(users, [new])
    assert addresses.told(users, [new])
    addresses.forget(users, [new])
    assert not addresses.told(users, [new])
    addresses.tell(users, [new])
    with pytest.raises(PreconditionError, match="the active manager is ceph-mon"):
        commit.commit([old], [new], users, [rig.monitor])
    manager.activate(old, new)
    new.run("ceph", "osd", "set", "noout")
    with pytest.raises(PreconditionError, match="flags are set: noout"):
        commit.commit([old], [new], users, [rig.monitor])
    new.run("ceph", "osd", "unset", "noout")
    assert monitor.standing(old) == before
    assert not commit.is_committed([old], [new])
    assert call(old, "retired.noted") == {}


def test_killed_in_the_middle_it_goes_on_and_nothing_goes_back(
    rig: CephRig, reach: Reach, old: Host, new: Host, users: list[Host]
) -> None:
    def act(first: Host, second: Host) -> None:
        commit.commit([first], [second], users, [rig.monitor])

    for seconds in range(5, 60, 5):  # until it has begun, however slow this host is
        killed_after(seconds, act, reach, rig.monitor, rig.target)
        if call(new, "record.load", "ceph-committed"):
            break
    with pytest.raises(IrreversibleError, match=r"old monitors \(ceph-mon\) were removed"):
        monitor.leave(old, new)
    killed_after(2, act, reach, rig.monitor, rig.target)
    act(old, new)
    assert commit.is_committed([old], [new])
    now = monitor.standing(new)
    assert now.quorum == {rig.target}
    assert [one.name for one in now.monitors] == [rig.target]
    assert now.release == 18
    read = facts.read(new)
    assert read.require_osd_release == "pacific"
    assert read.versions["osd"] == {(16, 2, 15): 4}
    wait_until_clean(new)
    act(old, new)  # again: nothing to do
    for back in (monitor.leave, manager.leave, manager.hand_back):
        with pytest.raises(IrreversibleError, match="no way back"):
            back(old, new)
    with pytest.raises(CommandError, match="removed for good"):
        call(old, "monitor.expel", rig.target)
    assert monitor.standing(new) == now


def test_the_old_monitor_booted_again_joins_nothing(
    rig: CephRig, old: Host, new: Host, users: list[Host]
) -> None:
    before = monitor.standing(new)
    machine = cluster.machine(rig, rig.monitor, packages.old())
    nspawn.stop(machine, 0)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    for daemon in ("mon", "mgr"):
        unit = f"ceph-{daemon}@{rig.monitor}"
        with pytest.raises(CommandError, match="masked"):
            old.run("systemctl", "start", unit)
        assert not old.succeeds("systemctl", "is-active", unit)
    assert not old.exists(STORE)
    # by hand, from where it lies: its user cannot enter
    aside = f"/var/lib/ceph/retired/mon-{rig.monitor}"
    assert old.exists(aside)
    by_hand = f"timeout 20 ceph-mon -f -i {rig.monitor} --setuser ceph --setgroup ceph"
    assert not old.succeeds("sh", "-c", by_hand)
    assert not old.succeeds("sh", "-c", f"{by_hand} --mon-data {aside}")
    assert monitor.standing(old).name == ""
    assert monitor.standing(new) == before
    assert commit.is_committed([old], [new])
    assert rig.fsid in ssh(rig, rig.client, "timeout 60 ceph --id cinder fsid")
