"""Three new monitors join one old one, in the plan's own steps, and leave; hosts lose power.

Then the old one leaves for good, killed at each boundary, one of three dies, and a host with OSDs
does not come back. What is full at the wrong moment is among it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from infra.nspawn import access
from migrate.cloud import Context, apart, wait
from migrate.cloud.host import Host
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Plan, Step
from migrate.engine.runner import Runner
from migrate.errors import IrreversibleError, PreconditionError, StepError
from migrate.phases.plan import CEPH_JOINS
from migrate.storage.ceph import conf, facts, leaving, monitor
from tests.ceph import beside, commands, power, quorums, stacks
from tests.ceph.clean import wait_until_clean
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster, whole, writer
from tests.lab.ceph.settings import RIG, CephRig
from tests.lab.remote import ssh

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph-three"), pytest.mark.in_order]

LONGEST_GAP = 10.0
LONGEST_REST = 30.0  # clients look for another monitor, OSDs stop and start
SHARE = 0.3  # of the seconds that a step takes: then its host loses power
FULL_SECONDS = 60
NEW = (18, 2, 7)
REINSTALL = [sys.executable, "-m", "tests.lab.ceph", "reinstall"]
# it ends the machine and makes none
NOTHING = """
import sys
from infra import nspawn
from tests.lab.ceph import cluster, packages
from tests.lab.ceph.settings import RIG
nspawn.stop(cluster.machine(RIG, sys.argv[1], packages.old()), 0)
"""
FULL = {"nearfull": 0.001, "backfillfull": 0.002, "full": 0.003}
ROOMY = {"nearfull": 0.85, "backfillfull": 0.9, "full": 0.95}


@pytest.fixture(scope="module")
def rig(_gone_afterwards: None) -> CephRig:
    """That of the others, with two machines more of the new release."""
    wide = replace(RIG, news=("ceph-new2", "ceph-new3"))
    whole.up(wide)
    whole.spoil(wide)
    return wide


@pytest.fixture(scope="module")
def names(rig: CephRig) -> tuple[str, ...]:
    """The new monitors, in the order in which they join."""
    return (rig.target, *rig.news)


def above(rig: CephRig, home: Path, command: list[str]) -> Context:
    settle = {"reinstall": {"command": command}}
    known = access.known_hosts(rig.home)
    return stacks.above(rig, home, known, {}, addresses="new", settle=settle)


@pytest.fixture(scope="module")
def context(rig: CephRig, tmp_path_factory: pytest.TempPathFactory) -> Context:
    return above(rig, tmp_path_factory.mktemp("stack"), REINSTALL)


@pytest.fixture(scope="module")
def plan(context: Context) -> Plan:
    return commands.of_follow(context)


@pytest.fixture(scope="module")
def before(old: Host) -> facts.Cluster:
    return facts.read(old)


@pytest.fixture(scope="module")
def file(old: Host) -> str:
    """The old monitor's ceph.conf."""
    return old.read(conf.PATH)


@pytest.fixture(scope="module", autouse=True)
def sums(rig: CephRig, before: facts.Cluster, file: str) -> Iterator[dict[str, str]]:
    """What is in every image: the same at the end."""
    found = cluster.checksums(rig)
    yield found
    assert cluster.checksums(rig) == found


def test_never_are_two_in_the_quorum_for_longer_than_a_step(
    rig: CephRig,
    old: Host,
    context: Context,
    plan: Plan,
    names: tuple[str, ...],
    before: facts.Cluster,
    file: str,
    tmp_path: Path,
) -> None:
    first, second, _ = joins = [f"{CEPH_JOINS}{one}" for one in names]
    assert [one.id for one in plan][:3] == joins
    assert plan.steps[1].needs == (first,)
    times: dict[tuple[str, State], float] = {}
    found: list[set[str]] = []

    def notify(step: Step, state: State, _: str) -> None:
        times[step.id, state] = time.monotonic()
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
        now = facts.read(old)
        assert (now.manager, {*now.standbys}) == (rig.monitor, {*names})
        key = beside.make(rig)
        runner.retreat()
    by_number = [{rig.monitor, *names[:number]} for number in range(4)]
    assert found == [*by_number[1:], *by_number[2::-1]]
    two = [at for at, number in seen if number == 2]
    spans = [
        (times[first, State.STARTED], times[second, State.DONE]),
        (times[second, State.REVERTING], times[first, State.REVERTED]),
    ]
    print(f"two in the quorum: {[round(end - begin) for begin, end in spans]} s at most")
    assert two
    assert all(any(begin - 2 <= at <= end + 2 for begin, end in spans) for at in two)
    beside.assert_as_before(rig, old, context, before, file)
    beside.assert_there(rig, key)


def test_each_host_loses_power_in_its_step_and_the_same_again_goes_on(
    rig: CephRig,
    old: Host,
    context: Context,
    plan: Plan,
    names: tuple[str, ...],
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal"
    with unharmed(rig, LONGEST_REST):
        for step in plan:
            name = next((one for one in names if step.id.endswith(f"-{one}")), names[0])
            act = partial(commands.advance, path, context, [step])
            power.lost_in(rig, name, step, SHARE * step.estimate, act)
            power.back(rig, name)
            power.wait_for_quorum(old)
            wait_until_clean(old)
            commands.advance(path, context, [step])
            assert step.done(apart(context)), step.id
        assert monitor.standing(old).quorum == {rig.monitor, *names}


def test_of_two_that_are_dead_one_is_asked_back_and_the_way_back_is_without_the_other(
    rig: CephRig,
    old: Host,
    context: Context,
    names: tuple[str, ...],
    before: facts.Cluster,
    file: str,
    tmp_path: Path,
) -> None:
    dead, other, living = names  # the first has notes of its own, and the gateway
    key = beside.make(rig)
    with unharmed(rig, LONGEST_REST):
        power.lost(rig, dead)
        power.lost(rig, other)
        wait.until(lambda: not monitor.standing(old).quorum, 60, "two of four are a quorum")
        with pytest.raises(StepError, match=f"no quorum, and the map has {other}, {living} too"):
            commands.retreat(tmp_path / "both", context, [dead, other])
        # the three may have confirmed what the old one does not know: it is not made to go on alone
        assert {one.name for one in monitor.standing(old).monitors} == {rig.monitor, *names}
        power.back(rig, other)
        power.wait_for_quorum(old, rig.monitor, other, living)
        commands.retreat(tmp_path / "one", context, [dead])
        power.wait_for_quorum(old, rig.monitor)
        power.back(rig, dead)
        time.sleep(10)  # its daemons start, and nobody lets them in
        now = monitor.standing(old)
        assert now.quorum == {one.name for one in now.monitors} == {rig.monitor}
        commands.retreat(tmp_path / "all", context)
    fresh = apart(context)
    beside.assert_as_before(rig, old, fresh, before, file)
    beside.assert_there(rig, key)


def set_ratios(host: Host, ratios: dict[str, float], *, full: bool) -> None:
    """And wait until the cluster says so, or no more."""
    for name, ratio in ratios.items():
        host.run("ceph", "osd", f"set-{name}-ratio", str(ratio))

    def otherwise() -> bool:
        return full != any(one.code == "OSD_FULL" for one in facts.read(host).complaints)

    assert not wait.while_any(otherwise, FULL_SECONDS, pause=2)
    if not full:
        wait_until_clean(host)


@contextmanager
def filled(rig: CephRig, host: Host) -> Iterator[None]:
    """The cluster is full meanwhile: what a client writes waits, and is there afterwards."""
    with writer.writing(rig) as written:
        try:
            set_ratios(host, FULL, full=True)
            yield
        finally:
            set_ratios(host, ROOMY, full=False)
    print(written)
    assert written.written > 0
    assert written.bad == 0


def test_nothing_joins_what_is_full_and_what_has_joined_leaves_it(
    rig: CephRig,
    old: Host,
    before: facts.Cluster,
    file: str,
    tmp_path: Path,
) -> None:
    single = above(replace(rig, news=()), tmp_path, REINSTALL)
    steps = [one for one in commands.of_follow(single) if "gateway" not in one.id]
    path = tmp_path / "journal"
    with filled(rig, old):
        with pytest.raises(StepError, match="OSD_FULL"):
            commands.advance(path, single, steps)
        assert monitor.standing(old).quorum == {rig.monitor}
    commands.advance(path, single, steps)
    with filled(rig, old):
        commands.retreat(path, single)
    beside.assert_as_before(rig, old, apart(single), before, file)


def test_killed_at_each_boundary_the_old_one_leaves(
    rig: CephRig,
    new: Host,
    context: Context,
    plan: Plan,
    names: tuple[str, ...],
    tmp_path: Path,
) -> None:
    with unharmed(rig, LONGEST_GAP):
        commands.advance(tmp_path / "follow", context, plan.steps)
        stacks.let_serve(context)
    with filled(rig, new), pytest.raises(PreconditionError, match="OSD_FULL"):
        commands.renew(tmp_path / "full", context, ())
    assert not leaving.no_way_back(context)
    with quorums.watched(context, rig.target) as seen, unharmed(rig, LONGEST_REST):
        commands.killed_at_each_boundary(tmp_path / "journal", context)
        commands.renew(tmp_path / "journal", context, ())
    assert min(number for _, number in seen) == 3
    now = facts.read(new)
    assert now.quorum == {one.name for one in now.monitors} == {*names}
    assert now.manager in names
    assert now.versions["mon"] == {NEW: 3}
    with pytest.raises(IrreversibleError, match="were removed by name"):
        commands.put_back(tmp_path / "journal", context)
    wait_until_clean(new)


def test_then_one_of_three_may_die_and_no_osd_rests_until_it_is_back(
    rig: CephRig,
    new: Host,
    context: Context,
    names: tuple[str, ...],
    tmp_path: Path,
) -> None:
    *living, dead = names
    with unharmed(rig, LONGEST_REST):
        power.lost(rig, dead)
        power.wait_for_quorum(new, *living)
        assert rig.fsid in ssh(rig, rig.client, "timeout 60 ceph --id cinder fsid")
        with pytest.raises(PreconditionError, match=f"not in the quorum: {dead}"):
            commands.renew(tmp_path / "journal", context, rig.osd_hosts[:1])
        assert all(one.up for one in facts.read(new).osds)
        power.back(rig, dead)
        power.wait_for_quorum(new, *names)
        wait_until_clean(new)


def test_of_a_host_that_does_not_come_back_the_other_copies_serve_until_it_does(
    rig: CephRig, new: Host, context: Context, tmp_path: Path
) -> None:
    first, second = rig.osd_hosts
    never = above(rig, context.home, [sys.executable, "-c", NOTHING])
    path = tmp_path / "journal"
    with unharmed(rig, LONGEST_REST):
        with pytest.raises(StepError, match=f"{first}: it was made anew and does not answer"):
            commands.renew(path, never, [first])
        now = facts.read(new)
        assert now.node_flags == {first: ("noout",)}
        assert "noout" not in now.flags
        assert {one.host for one in now.osds if not one.up} == {first}
        with pytest.raises(PreconditionError, match=r"OSD_DOWN|OSD_HOST_DOWN"):
            commands.renew(path, context, [second])
        now = facts.read(new)
        assert {one.host for one in now.osds if not one.up} == {first}
        assert now.node_flags == {first: ("noout",)}
        commands.renew(path, context, [first])
        wait_until_clean(new)
    now = facts.read(new)
    assert now.node_flags == {}
    assert {one.version for one in now.osds if one.host == first} == {NEW}


def test_killed_at_each_boundary_the_other_host_comes_over(
    rig: CephRig, new: Host, context: Context, tmp_path: Path
) -> None:
    name = rig.osd_hosts[1]
    with unharmed(rig, LONGEST_REST):
        commands.killed_at_each_boundary(tmp_path / "journal", context, [name])
        commands.renew(tmp_path / "journal", context, [name])
        wait_until_clean(new)
    now = facts.read(new)
    assert (now.node_flags, now.versions["osd"]) == ({}, {NEW: 4})
