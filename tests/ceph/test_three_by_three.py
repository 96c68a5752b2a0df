"""Three new monitors join three old ones, leave, and then take over their addresses one by one.

The stack reaches each old monitor's host by an address of its own. It has no way back: whoever
comes next gets a new rig.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from infra.nspawn import access
from migrate.cloud import Context, apart
from migrate.cloud.host import Host
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Step
from migrate.engine.runner import Runner
from migrate.onhost import call
from migrate.phases import renew_ceph
from migrate.phases.plan import CEPH_ADDRESS, CEPH_JOINS
from migrate.storage.ceph import conf, facts, leaving, monitor, old_address
from tests.ceph import beside, commands, power, quorums, stacks
from tests.ceph.clean import wait_until_clean
from tests.ceph.conftest import Reach
from tests.ceph.killed import killed_at, killed_in_taking
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster, whole
from tests.lab.ceph.settings import RIG, CephRig
from tests.lab.remote import ssh

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph-three"), pytest.mark.in_order]

LONGEST_GAP = 10.0
LONGEST_REST = 30.0  # clients look for another monitor
LONGEST_TWO = 240.0  # one leaves and joins again, which may be killed in between
NETWORK = "/etc/systemd/network/10-host0.network.d/second.conf"
STALE = "/root/ceph.conf"  # of that name, or the client would look for keys of another cluster
# of the first of the three, in the order in which they come; seconds as for `killed_in_taking`
ACTS = [
    ("moved_address.give_up", None),
    ("moved_address.carry", None),
    ("monitor.quiet", None),
    ("monitor.remove", None),
    ("monitor.make_again", 1.0),
    ("monitor.make_again", None),
]


@pytest.fixture(scope="module")
def rig(_gone_afterwards: None) -> CephRig:
    """That of the others, with two machines more of either release."""
    wide = replace(RIG, olds=("ceph-mon2", "ceph-mon3"), news=("ceph-new2", "ceph-new3"))
    whole.up(wide)
    whole.spoil(wide)
    return wide


@pytest.fixture(scope="module")
def olds(rig: CephRig) -> tuple[str, ...]:
    return (rig.monitor, *rig.olds)


@pytest.fixture(scope="module")
def news(rig: CephRig) -> tuple[str, ...]:
    return (rig.target, *rig.news)


@pytest.fixture(scope="module")
def seconds(rig: CephRig, olds: tuple[str, ...]) -> dict[str, str]:
    """Another address of each old monitor's host."""
    found = {name: f"{rig.prefix}.{101 + place}" for place, name in enumerate(olds)}
    for name, address in found.items():
        cluster.put(rig, name, {NETWORK: f"[Network]\nAddress={address}/24\n"}, "644")
        ssh(rig, name, f"ip address add {address}/24 dev host0")
    return found


@pytest.fixture(scope="module")
def context(
    rig: CephRig, seconds: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Context:
    home = tmp_path_factory.mktemp("stack")
    lines = access.known_hosts(rig.home).read_text().splitlines()
    for name, address in seconds.items():
        first = rig.addresses[name]
        lines += [one.replace(first, address, 1) for one in access.trusted(rig.home, first)]
    (home / "known_hosts").write_text("".join(f"{one}\n" for one in lines))
    return stacks.above(rig, home, home / "known_hosts", seconds, addresses="keep")


@pytest.fixture(scope="module", autouse=True)
def three(rig: CephRig, reach: Reach, old: Host, olds: tuple[str, ...]) -> None:
    """Two more join the old one, of its release, and are everybody's from then on."""
    every = ",".join(rig.addresses[name] for name in olds)
    for name in (rig.monitor, *rig.osd_hosts, rig.client):
        ssh(rig, name, f"sed -i 's/^mon host = .*/mon host = {every}/' {conf.PATH}")
    for name in rig.olds:
        monitor.join(old, reach(name))
        for note in ("ceph-monitor", "ceph-monitor-files"):
            call(reach(name), "record.forget", note)
    power.wait_for_quorum(old, *olds)
    cluster.wait_until_clean(rig)


@pytest.fixture(scope="module", autouse=True)
def sums(rig: CephRig, three: None) -> Iterator[dict[str, str]]:
    """What is in every image: the same at the end."""
    found = cluster.checksums(rig)
    yield found
    assert cluster.checksums(rig) == found


def test_three_join_three_and_leave_again(
    rig: CephRig,
    old: Host,
    context: Context,
    olds: tuple[str, ...],
    news: tuple[str, ...],
    tmp_path: Path,
) -> None:
    before, file, plan = facts.read(old), old.read(conf.PATH), commands.of_follow(context)
    joins = [f"{CEPH_JOINS}{one}" for one in news]
    found: list[set[str]] = []

    def notify(step: Step, state: State, _: str) -> None:
        if step.id in joins and state in (State.DONE, State.REVERTED):
            found.append({*monitor.standing(old).quorum})

    journal = Journal(tmp_path / "journal", "follow")
    runner = Runner(plan, journal, context, notify)
    with (
        closing(journal),
        quorums.watched(context, rig.monitor) as seen,
        unharmed(rig, LONGEST_GAP),
    ):
        runner.advance()
        assert all(one.done(context) for one in plan)
        key = beside.make(rig)
        runner.retreat()
    by_number = [{*olds, *news[:number]} for number in range(4)]
    assert found == [*by_number[1:], *by_number[2::-1]]
    assert min(number for _, number in seen) == 3
    beside.assert_as_before(rig, old, context, before, file)
    beside.assert_there(rig, key)


def test_three_old_ones_leave_killed_at_each_boundary(
    rig: CephRig, new: Host, context: Context, news: tuple[str, ...], tmp_path: Path
) -> None:
    """Up to the addresses, which move next."""
    commands.advance(tmp_path / "follow", context, commands.of_follow(context).steps)
    stacks.let_serve(context)
    assert [str(one) for one in renew_ceph.found(context, ()) if one.severity == "error"] == []
    with quorums.watched(context, news[-1]) as seen, unharmed(rig, LONGEST_REST):
        commands.killed_at_each_boundary(tmp_path / "journal", context, upto=CEPH_ADDRESS)
    assert min(number for _, number in seen) == 3
    assert leaving.is_committed(context)
    assert not old_address.taken(context)
    assert monitor.standing(new).quorum == {*news}


def test_one_after_the_other_takes_over_an_address_killed_in_the_middle(
    rig: CephRig,
    new: Host,
    context: Context,
    olds: tuple[str, ...],
    news: tuple[str, ...],
    tmp_path: Path,
) -> None:
    with quorums.watched(context, news[-1]) as seen, unharmed(rig, LONGEST_REST):
        killed_at(
            CEPH_ADDRESS,
            State.STARTED,
            lambda notify: commands.renew(tmp_path / "journal", context, (), notify),
        )
        for function, after in ACTS:
            killed_in_taking(context, function, after)
            assert leaving.is_committed(apart(context)), function
        commands.renew(tmp_path / "journal", context, ())
        wait_until_clean(new)
    fresh = apart(context)
    assert old_address.taken(fresh)
    print(f"two in the quorum for {quorums.longest(seen, 2):.0f} s at most")
    assert min(number for _, number in seen) == 2
    assert quorums.longest(seen, 2) < LONGEST_TWO
    now = monitor.standing(new)
    assert now.quorum == {*news}
    at = {one.name: facts.hosts_of([one]) for one in now.monitors}
    assert at == {n: {rig.addresses[o]} for o, n in zip(olds, news, strict=True)}
    commands.renew(tmp_path / "journal", context, ())  # again: nothing to do
    assert monitor.standing(new) == now


def test_who_knows_the_old_addresses_alone_finds_the_cluster(
    rig: CephRig, olds: tuple[str, ...]
) -> None:
    every = ",".join(rig.addresses[name] for name in olds)
    text = cluster.configuration(rig).replace(
        f"mon host = {rig.addresses[rig.monitor]}", f"mon host = {every}"
    )
    assert conf.value(text, "mon_host") == every
    cluster.put(rig, rig.client, {STALE: text}, "644")
    assert "plain" in ssh(rig, rig.client, f"timeout 60 rbd -c {STALE} --id cinder ls volumes")


def test_each_has_its_address_back_before_its_monitor_starts_after_a_loss_of_power(
    rig: CephRig, context: Context, news: tuple[str, ...]
) -> None:
    last = apart(context).named(news[-1])
    with unharmed(rig, LONGEST_REST):
        power.lost(rig, rig.target)
        power.wait_for_quorum(last, *rig.news)
        power.back(rig, rig.target)
        power.wait_for_quorum(last, *news)
        wait_until_clean(last)
    assert old_address.taken(apart(context))
