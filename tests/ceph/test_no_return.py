"""Old monitors are removed by name, then a host with OSDs is reinstalled, while a client writes.

Neither has a way back: whoever comes next gets a new rig.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra import nspawn
from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.engine.kept_notes import KeptNotes
from migrate.errors import CommandError, IrreversibleError, PreconditionError, StepError
from migrate.onhost import call
from migrate.storage.ceph import addresses, commit, facts, manager, monitor, osd_host
from tests.ceph.clean import wait_until_clean
from tests.ceph.conftest import Reach
from tests.ceph.killed import Act, killed_after
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster, packages, reinstall, whole
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
    whole.spoil(rig)
    # its housekeeping writes hundreds of objects now and then, and what is recovered is counted
    ssh(rig, rig.monitor, f"systemctl disable --now ceph-radosgw@rgw.{rig.monitor}")
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
    with unharmed(rig, LONGEST_GAP):
        yield


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


def asked(new: Host, home: Path) -> osd_host.Side:
    """The new side, whose only machine keeps what is noted, too."""
    notes = KeptNotes(
        prefix=osd_host.PREFIX, desk="kept-osds-", home=home, machines=[new], keepers=[new]
    )
    return osd_host.Side(new, notes)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def side(new: Host, home: Path) -> osd_host.Side:
    return asked(new, home)


def by(side: osd_host.Side, act: Callable[[Host, osd_host.Side], object]) -> Act:
    """*act* by connections that are given."""
    return lambda host, new: act(host, asked(new, side.notes.home))


@pytest.fixture(scope="module")
def name(rig: CephRig) -> str:
    """The host that is reinstalled."""
    return rig.osd_hosts[0]


def test_a_host_that_cannot_be_spared_is_left_alone(
    rig: CephRig, reach: Reach, new: Host, name: str, side: osd_host.Side
) -> None:
    other = [str(osd.id) for osd in facts.read(new).osds if osd.host != name]
    new.run("ceph", "osd", "set", "norebalance")
    with pytest.raises(PreconditionError, match="flags are set: norebalance"):
        osd_host.keep(reach(name), side)
    new.run("ceph", "osd", "unset", "norebalance")
    for pool in ("volumes", "images"):
        new.run("ceph", "osd", "pool", "set", pool, "min_size", "2")
    with pytest.raises(PreconditionError, match="stops when one of its 2 copies is away"):
        osd_host.keep(reach(name), side)
    assert "would become offline" in call(new, "ceph.unstoppable", other)
    for pool in ("volumes", "images"):
        new.run("ceph", "osd", "pool", "set", pool, "min_size", "1")
    assert not osd_host.is_kept(reach(name), side)


def test_until_it_is_made_anew_all_is_undone(
    rig: CephRig, reach: Reach, new: Host, name: str, side: osd_host.Side
) -> None:
    host, before = reach(name), facts.read(new)
    osd_host.keep(host, side)
    assert osd_host.is_kept(host, side)
    assert not osd_host.is_resting(host, side)
    killed_after(4, by(side, osd_host.rest), reach, name, rig.target)
    osd_host.rest(host, side)
    assert osd_host.is_resting(host, side)
    away = facts.read(new)
    assert away.node_flags == {name: ("noout",)}
    assert "noout" not in away.flags
    assert {osd.host for osd in away.osds if not osd.up} == {name}
    killed_after(4, by(side, osd_host.wake), reach, name, rig.target)
    osd_host.wake(host, side)
    osd_host.forget(host, side)
    wait_until_clean(new)
    now = facts.read(new)
    assert (now.node_flags, now.osds) == ({}, before.osds)
    # what it was told before, and nothing of this
    assert host.shell("ls /var/lib/migrate").split() == [f"{addresses.NOTE}.json"]
    assert not any(name in one for one in new.shell("ls /var/lib/migrate").split())


def test_its_osds_come_back_from_a_fresh_system(
    rig: CephRig, reach: Reach, new: Host, name: str, side: osd_host.Side
) -> None:
    before = facts.read(new)
    ours = [osd.id for osd in before.osds if osd.host == name]
    place = call(new, "ceph.places", ours)
    osd_host.keep(reach(name), side)
    osd_host.rest(reach(name), side)
    assert not osd_host.is_anew(reach(name), side)
    with pytest.raises(StepError, match="nothing was made anew"):
        osd_host.adopt(reach(name), side)
    reinstall.make(rig, name)
    host = reach(name)
    assert osd_host.is_anew(host, side)
    assert osd_host.is_resting(host, side)
    assert not osd_host.is_adopted(host, side)
    osd_host.adopt(host, side)
    assert osd_host.is_adopted(host, side)
    with pytest.raises(IrreversibleError, match="can never open them again: name it"):
        osd_host.come_home(host, side, [])
    with pytest.raises(PreconditionError, match="has Ceph reef: have it made anew"):
        osd_host.wake(host, side)
    assert not osd_host.is_home(host, side)

    def act(first: Host, second: Host) -> None:
        print(osd_host.come_home(first, asked(second, side.notes.home), [name]))

    killed_after(8, act, reach, name, rig.target)
    recovered = osd_host.come_home(host, side, [name])
    print(recovered)
    # the writer's blocks and what manages them, not the 85 MB that the host has
    assert 0 < recovered.objects <= 20
    assert 0 < recovered.bytes < 8 * 1024**2
    assert osd_host.is_home(host, side)
    now = facts.read(new)
    assert now.node_flags == {}
    assert now.unclean == {}
    assert {osd.version for osd in now.osds if osd.id in ours} == {(18, 2, 7)}
    assert {osd.version for osd in now.osds if osd.id not in ours} == {(16, 2, 15)}
    assert call(new, "ceph.places", ours) == place
    assert now.require_osd_release == "pacific"
    for back in (osd_host.wake, osd_host.forget, osd_host.stay):
        with pytest.raises(IrreversibleError, match="can never open them again"):
            back(host, side)


def test_after_a_boot_of_the_fresh_system_they_are_up(
    rig: CephRig, reach: Reach, new: Host, name: str, side: osd_host.Side
) -> None:
    machine = cluster.machine(rig, name, packages.new())
    nspawn.stop(machine, 20)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    cluster.plug(rig, name)  # hardware has its disks before systemd looks for them
    reach(name).shell("systemctl reset-failed 'ceph-osd@*'; systemctl start ceph-osd.target")
    assert wait.while_any(lambda: not osd_host.is_home(reach(name), side), 120) is False
