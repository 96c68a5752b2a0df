"""The plan's own steps on the rig: `follow` and its way back, `settle --ceph`, what finish asks.

What joins while the source serves leaves again. Then the old monitors leave for good, and each host
with OSDs is made anew by the operator's command; one of them goes back before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from infra.nspawn import access
from migrate import finish
from migrate.checks import ceph_cluster
from migrate.cloud import Context, apart
from migrate.cloud.host import Host
from migrate.computes.reinstalling import osds
from migrate.engine.finding import Severity
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase, Plan
from migrate.engine.runner import Observer, Runner
from migrate.errors import IrreversibleError, PreconditionError
from migrate.phases import renew_ceph
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.storage.ceph import addresses, conf, facts, leaving, members
from tests.ceph import beside, stacks
from tests.ceph.clean import wait_until_clean
from tests.ceph.killed import killed_at
from tests.ceph.unharmed import unharmed
from tests.lab.ceph import cluster, gateway, whole
from tests.lab.ceph.settings import CephRig

pytestmark = [pytest.mark.integration, pytest.mark.in_set("ceph"), pytest.mark.in_order]

LONGEST_GAP = 10.0  # a manager is made and ended; tests share their cores with others
LONGEST_REST = 30.0  # clients look for another monitor, OSDs stop and start
OLD, NEW = (16, 2, 15), (18, 2, 7)
REINSTALL = [sys.executable, "-m", "tests.lab.ceph", "reinstall"]


@pytest.fixture(scope="module")
def context(rig: CephRig, tmp_path_factory: pytest.TempPathFactory) -> Context:
    return stacks.above(
        rig,
        tmp_path_factory.mktemp("stack"),
        access.known_hosts(rig.home),
        {},
        addresses="new",
        settle={"reinstall": {"command": REINSTALL}},
    )


@pytest.fixture(scope="module")
def session(context: Context) -> Iterator[Session]:
    journal = Journal(context.home / "journal", "settle")
    yield Session(context, compose(context), journal)
    journal.close()


@pytest.fixture(scope="module")
def plan(session: Session) -> Plan:
    """Ceph's steps of `follow`."""
    follow = session.plan.phase(Phase.FOLLOW)
    return Plan(tuple(one for one in follow if one.id.startswith("ceph.")))


@pytest.fixture(scope="module")
def runner(session: Session, plan: Plan) -> Runner:
    return Runner(plan, session.journal, session.context)


@pytest.fixture(scope="module")
def sums(rig: CephRig) -> dict[str, str]:
    """What is in every image: the same at the end."""
    return cluster.checksums(rig)


def told(context: Context) -> list[str]:
    found = ceph_cluster.run(context)
    return [one.message for one in found if one.severity is Severity.ERROR]


def test_nothing_forbids_it(context: Context) -> None:
    assert told(context) == []


def renew(session: Session, *names: str, past: tuple[str, ...] = ()) -> None:
    """`migrate settle --ceph --execute`, with `--host` for each of *names*."""
    renew_ceph.renew(session, names, past, lambda *_: None)


def put_back(session: Session, *names: str) -> None:
    """`migrate settle --ceph --back --execute`."""
    renew_ceph.put_back(session, names, lambda *_: None)


def run(new: Host, host: str) -> set[facts.Version]:
    """What the OSDs of *host* run, by their own word."""
    return {one.version for one in facts.read(new).osds if one.host == host}


def test_all_that_joins_leaves_again_and_what_was_made_meanwhile_stays(
    rig: CephRig,
    old: Host,
    new: Host,
    context: Context,
    plan: Plan,
    runner: Runner,
    sums: dict[str, str],
) -> None:
    before, file = facts.read(old), old.read(conf.PATH)
    keys = gateway.login(rig, rig.monitor)
    its, ours = (gateway.client(rig, one, keys) for one in (rig.monitor, rig.target))
    objects = gateway.checksums(its)
    with unharmed(rig, LONGEST_GAP):
        runner.advance()
        assert all(one.done(context) for one in plan)
        now = facts.read(new)
        assert now.quorum == {rig.monitor, rig.target}
        assert (now.manager, now.standbys) == (rig.monitor, (rig.target,))
        assert gateway.checksums(ours) == gateway.checksums(its) == objects
        assert addresses.told(members.users(context), [new])
        assert {rig.monitor, rig.client, rig.target, *rig.osd_hosts} == {
            one.name for one in members.users(context)
        }
        assert members.joined(context) == [rig.target]
        assert told(context) == []  # before the window it is asked again
        key = beside.make(rig)
        runner.retreat()
    beside.assert_as_before(rig, old, context, before, file)
    beside.assert_there(rig, key)
    assert cluster.checksums(rig) == sums
    assert gateway.checksums(its) == objects
    with pytest.raises(EndpointConnectionError):
        ours.head_bucket(Bucket=gateway.BUCKET)


def test_killed_at_each_boundary_it_goes_on_and_goes_back(
    rig: CephRig, old: Host, context: Context, plan: Plan, tmp_path: Path
) -> None:
    before, file = facts.read(old), old.read(conf.PATH)

    def advance(notify: Observer) -> None:
        with closing(Journal(tmp_path / "journal", "follow")) as journal:
            Runner(plan, journal, apart(context), notify).advance()

    def retreat(notify: Observer) -> None:
        with closing(Journal(tmp_path / "journal", "rollback")) as journal:
            Runner(plan, journal, apart(context), notify).retreat()

    with unharmed(rig, LONGEST_GAP):
        for step in plan:
            for state in (State.STARTED, State.DONE):
                killed_at(step, state, advance)
        assert all(one.done(context) for one in plan)
        for step in reversed(plan.steps):
            for state in (State.REVERTING, State.REVERTED):
                killed_at(step, state, retreat)
    beside.assert_as_before(rig, old, context, before, file)
    with closing(Journal(tmp_path / "lost", "rollback")) as journal:
        Runner(plan, journal, context).retreat()  # each step is undone that never was
    beside.assert_as_before(rig, old, context, before, file)


def test_the_old_monitors_leave_by_name_and_the_gateway_before_them(
    rig: CephRig,
    new: Host,
    context: Context,
    session: Session,
    runner: Runner,
) -> None:
    whole.spoil(rig)
    keys = gateway.login(rig, rig.monitor)
    its, ours = (gateway.client(rig, one, keys) for one in (rig.monitor, rig.target))
    objects = gateway.checksums(its)
    with unharmed(rig, LONGEST_REST):
        runner.advance()
        stacks.let_serve(context)
        with pytest.raises(IrreversibleError, match=f"add --past {rig.monitor}"):
            renew(session)
        with pytest.raises(PreconditionError, match="leave before any OSD"):
            renew(session, rig.osd_hosts[0], past=(rig.osd_hosts[0],))
        assert facts.read(new).manager == rig.monitor
        assert not leaving.no_way_back(context)
        renew(session, past=(rig.monitor,))
        assert leaving.is_committed(context)
        now = facts.read(new)
        assert [one.name for one in now.monitors] == [now.manager] == [rig.target]
        assert now.quorum == {rig.target}
        assert (now.versions["mon"], now.versions["osd"]) == ({NEW: 1}, {OLD: 4})
        assert now.require_osd_release == "pacific"
        assert gateway.checksums(ours) == objects
        with pytest.raises(EndpointConnectionError):
            its.head_bucket(Bucket=gateway.BUCKET)
        renew(session)  # again: nothing to do, and nobody to name
        with pytest.raises(IrreversibleError, match="were removed by name"):
            put_back(session)
        wait_until_clean(new)


def test_a_host_goes_back_to_the_old_release_until_its_osds_are_started(
    rig: CephRig, new: Host, context: Context, session: Session
) -> None:
    name = rig.osd_hosts[0]
    host, before = context.named(name), facts.read(new)
    with unharmed(rig, LONGEST_REST):
        for step in (one for one in session.plan if one.id.startswith(f"{name}.")):
            if step.id == f"{name}.osds-home":
                break
            if not step.done(context):
                step.apply(context)
            assert step.done(context), step.id
        with pytest.raises(IrreversibleError, match=f"Nothing was begun: add --past {name}"):
            renew(session, name)
        assert facts.read(new).node_flags == {name: ("noout",)}
        put_back(session, name)
        wait_until_clean(new)
        now = facts.read(new)
        assert (now.osds, now.node_flags) == (before.osds, {})
        assert not any(name in one for one in new.shell("ls /var/lib/migrate").split())
        assert not host.exists("/var/lib/migrate")


def test_hosts_come_over_by_name_and_finish_asks_the_new_release_of_all(
    rig: CephRig,
    new: Host,
    context: Context,
    session: Session,
    sums: dict[str, str],
) -> None:
    first, second = rig.osd_hosts
    steps = {one.id: one for one in session.plan}
    required, dropped = steps["finish.ceph"], steps["finish.ceph-addresses"]
    with unharmed(rig, LONGEST_REST):
        renew(session, first, past=(first,))
        assert osds.recovered(context, [first]).keys() == {first}
        assert (run(new, first), run(new, second)) == ({NEW}, {OLD})
        renew(session, first)  # again: nothing to do, and nobody to name
        with pytest.raises(IrreversibleError, match="can never open them again"):
            put_back(session, first)
        wait_until_clean(new)
        (one,) = finish.ceph.refusals(context)
        assert one.message == f"OSDs are of an older release than reef: {second}"
        with pytest.raises(PreconditionError, match=f"older release than reef: {second}"):
            required.apply(context)
        assert facts.read(new).require_osd_release == "pacific"

        renew(session, second, past=(second,))
        wait_until_clean(new)
        assert list(finish.ceph.refusals(context)) == []
        for step in (required, dropped):
            assert not step.done(context)
            step.apply(context)
            assert step.done(context)
        now = facts.read(new)
        assert (now.require_osd_release, now.node_flags) == ("reef", {})
        assert now.versions["osd"] == {NEW: 4}
    for user in members.users(context):
        text = user.read(conf.PATH)
        assert conf.names(text, rig.addresses[rig.target])
        assert not conf.names(text, rig.addresses[rig.monitor])
    cluster.wait_until_clean(rig)
    assert cluster.checksums(rig) == sums
