"""The new monitor takes over the old one's address, while a client writes that knows no other.

The stack reaches the old monitor's host by an address of its own. It has no way back: whoever comes
next gets a new rig.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from infra import nspawn
from infra.nspawn import access
from migrate import finish
from migrate.cloud import Context, apart, wait
from migrate.cloud.host import Host
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase, Plan
from migrate.engine.runner import Observer, Runner
from migrate.errors import PreconditionError, UnreachableError
from migrate.onhost import call
from migrate.phases import renew_ceph
from migrate.phases.plan import CEPH_ADDRESS, compose
from migrate.phases.session import Session
from migrate.storage.ceph import conf, facts, leaving, members, monitor, old_address
from tests.ceph import stacks
from tests.ceph.clean import wait_until_clean
from tests.ceph.killed import killed_at, killed_in_taking
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster, packages, whole
from tests.lab.ceph.settings import CephRig
from tests.lab.remote import ssh

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph"), pytest.mark.in_order]

LONGEST_REST = 30.0  # the old monitor leaves: clients look for another
LONGEST_GAP = 10.0
BOOT_SECONDS = 120
STALE = "/root/ceph.conf"  # of that name, or the client would look for keys of another cluster
ROOM = {"v2": 3300, "v1": 6789}
NETWORK = "/etc/systemd/network/10-host0.network.d/second.conf"
# in the order in which they come, and how many seconds after its begin each is ended, or at its end
ACTS = [
    ("moved_address.give_up", None),
    ("moved_address.carry", None),
    ("monitor.make_beside", 1.0),
    ("monitor.make_beside", None),
    ("monitor.remove", None),
    ("monitor.succeed", 1.0),
]


@pytest.fixture(scope="module")
def address(rig: CephRig) -> str:
    """The old monitor's, which moves."""
    return rig.addresses[rig.monitor]


@pytest.fixture(scope="module")
def second(rig: CephRig) -> str:
    """Another address of its host, now and after a boot."""
    whole.spoil(rig)
    found = f"{rig.prefix}.13"
    cluster.put(rig, rig.monitor, {NETWORK: f"[Network]\nAddress={found}/24\n"}, "644")
    ssh(rig, rig.monitor, f"ip address add {found}/24 dev host0")
    return found


@pytest.fixture(scope="module")
def context(
    rig: CephRig, address: str, second: str, tmp_path_factory: pytest.TempPathFactory
) -> Context:
    home = tmp_path_factory.mktemp("stack")
    known = access.known_hosts(rig.home).read_text()
    own = [one.replace(address, second, 1) for one in access.trusted(rig.home, address)]
    (home / "known_hosts").write_text("\n".join([known.rstrip(), *own, ""]))
    return stacks.above(rig, home, home / "known_hosts", {rig.monitor: second}, addresses="keep")


@pytest.fixture(scope="module")
def session(context: Context) -> Iterator[Session]:
    journal = Journal(context.home / "journal", "settle")
    yield Session(context, compose(context), journal)
    journal.close()


@pytest.fixture(scope="module")
def sums(rig: CephRig) -> dict[str, str]:
    """What is in every image: the same at the end."""
    return cluster.checksums(rig)


def errors(context: Context) -> list[str]:
    found = renew_ceph.found(context, ())
    return [str(one) for one in found if one.severity == "error"]


def answering(rig: CephRig, context: Context, address: str) -> list[str]:
    """The hardware addresses that answer the client for *address*."""
    found: list[str] = call(context.named(rig.client), "arp.ask", "host0", address, 1.0)
    return found


def hardware(host: Host) -> set[str]:
    return {*call(host, "arp.hardware")}


def test_what_would_be_lost_with_the_address_is_told_before(
    rig: CephRig, context: Context, address: str, sums: dict[str, str]
) -> None:
    follow = [one for one in compose(context).phase(Phase.FOLLOW) if one.id.startswith("ceph.")]
    with closing(Journal(context.home / "follow", "follow")) as journal:
        Runner(Plan(tuple(follow)), journal, context).advance()
    stacks.let_serve(context)
    assert errors(context) == []
    warned = [str(one) for one in renew_ceph.found(context, ()) if one.severity == "warning"]
    assert any("sshd" in one and "listen at every address" in one for one in warned)
    server = f"python3 -m http.server 8099 --bind {address} --directory /run/lock"
    ssh(rig, rig.monitor, f"systemd-run -q --unit=missed --collect {server}")
    wait.until(lambda: bool(errors(context)), 20, "nobody sees who listens there")
    (one,) = errors(context)
    assert f"would lose {address}" in one
    with closing(Journal(context.home / "refused", "settle")) as journal:
        refused = Session(context, compose(context), journal)
        with pytest.raises(PreconditionError, match="would lose"):
            renew_ceph.renew(refused, (), (rig.monitor,), lambda *_: None)
    ssh(rig, rig.monitor, "systemctl stop missed")
    known = access.known_hosts(rig.home)
    itself = stacks.above(rig, context.home, known, {}, addresses="keep")
    assert any(f"reached by ssh at {address}" in one for one in errors(itself))
    assert leaving.no_way_back(context) == ""


def test_the_old_monitor_leaves(rig: CephRig, context: Context, session: Session) -> None:
    with unharmed(rig, LONGEST_REST):
        leaving.name_past(context, [rig.monitor])
        for step in renew_ceph.steps(session, ()):
            if step.id == CEPH_ADDRESS.id:
                break
            if not step.done(context):
                step.apply(context)
            assert step.done(context), step.id
        assert leaving.is_committed(context)
        assert not old_address.taken(context)


def test_killed_at_each_boundary_it_goes_on_while_a_client_writes(
    rig: CephRig, new: Host, context: Context, session: Session, address: str
) -> None:
    def renew(notify: Observer) -> None:
        mine = apart(context)
        with closing(Journal(context.home / "killed", "settle")) as journal:
            renew_ceph.renew(Session(mine, session.plan, journal), (), (), notify)

    with unharmed(rig, LONGEST_GAP):
        killed_at(CEPH_ADDRESS, State.STARTED, renew)
        for function, seconds in ACTS:
            killed_in_taking(context, function, seconds)
            assert leaving.is_committed(context), function
        renew_ceph.renew(session, (), (), lambda *_: None)
        wait_until_clean(new)
    assert old_address.taken(context)
    now = monitor.standing(new)
    assert now.quorum == {rig.target}
    (one,) = now.monitors
    assert one.name == rig.target
    assert one.addresses == {name: f"{address}:{port}" for name, port in ROOM.items()}
    assert new.shell("ls /var/lib/ceph/mon").split() == [f"ceph-{rig.target}"]
    own = conf.section(new.read(conf.PATH), f"mon.{rig.target}")
    assert own == f"[mon.{rig.target}]\npublic addr = {address}\n"
    assert "beside" not in new.read(conf.PATH)
    answered = {*answering(rig, context, address)}
    assert answered
    assert answered <= hardware(new)
    assert facts.read(new).manager == rig.target
    before = monitor.standing(new)
    renew_ceph.renew(session, (), (), lambda *_: None)  # again: nothing to do
    assert monitor.standing(new) == before


def test_who_knows_the_old_address_alone_finds_the_cluster(
    rig: CephRig, address: str, sums: dict[str, str]
) -> None:
    text = cluster.configuration(rig)
    assert conf.value(text, "mon_host") == address
    cluster.put(rig, rig.client, {STALE: text}, "644")
    assert "plain" in ssh(rig, rig.client, f"timeout 60 rbd -c {STALE} --id cinder ls volumes")
    for words in ("create --size 8", "rm --no-progress"):
        ssh(rig, rig.client, f"timeout 60 rbd -c {STALE} --id cinder {words} volumes/stale")
    assert cluster.checksums(rig) == sums


def test_a_boot_of_the_old_host_does_not_take_it_back(
    rig: CephRig, new: Host, context: Context, address: str
) -> None:
    machine = cluster.machine(rig, rig.monitor, packages.old())
    with unharmed(rig, LONGEST_GAP):
        nspawn.stop(machine, 20)
        nspawn.start(machine)
        old = apart(context).named(rig.monitor)

        def away() -> bool:
            with suppress(UnreachableError):
                return not call(old, "moved_address.given", address)
            return True

        assert wait.while_any(away, BOOT_SECONDS, pause=1) is False
        assert {*answering(rig, context, address)} <= hardware(new)
        # its own configuration is applied anew, which names it
        old.run("networkctl", "reload")
        old.run("networkctl", "reconfigure", "host0")
        time.sleep(3)  # it sets its addresses by and by
        assert wait.while_any(away, BOOT_SECONDS, pause=1) is False
        assert {*answering(rig, context, address)} <= hardware(new)
        assert monitor.standing(new).quorum == {rig.target}
        assert f"{rig.fsid}" in ssh(rig, rig.client, "timeout 60 ceph --id cinder fsid")
    assert old_address.taken(apart(context))


def test_after_a_boot_the_new_host_has_it_before_its_monitor_starts(
    rig: CephRig, context: Context
) -> None:
    machine = cluster.machine(rig, rig.target, packages.new())
    nspawn.stop(machine, 20)
    nspawn.start(machine)
    nspawn.wait_for_ssh(machine)
    fresh = apart(context)
    assert wait.while_any(lambda: not old_address.taken(fresh), BOOT_SECONDS, pause=1) is False
    wait_until_clean(fresh.named(rig.target))


def test_finish_takes_the_machines_own_address_out(
    rig: CephRig, context: Context, address: str, sums: dict[str, str]
) -> None:
    fresh = apart(context)
    assert not finish.ceph.are_dropped(fresh)
    finish.ceph.drop(fresh)
    assert finish.ceph.are_dropped(fresh)
    for user in members.users(fresh):
        text = user.read(conf.PATH)
        assert conf.names(text, address)
        assert not conf.names(text, rig.addresses[rig.target])
    assert cluster.checksums(rig) == sums
    wait_until_clean(fresh.named(rig.target))
