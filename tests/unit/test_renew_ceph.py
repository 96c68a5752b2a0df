"""`settle --ceph`: old monitors leave by name, hosts with OSDs come over one by one, or go back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.resources import guarded
from infra.resources.standing import StandingProvider
from migrate import finish
from migrate.computes import versions
from migrate.computes.reinstalling import anew, osds
from migrate.computes.versions import Versions
from migrate.engine.journal import State
from migrate.engine.plan import Phase
from migrate.errors import (
    IrreversibleError,
    PreconditionError,
    SettingsError,
    StepError,
    UnreachableError,
)
from migrate.finish import traces
from migrate.phases import guard, no_return, renew_ceph, rollback, status
from migrate.phases.plan import CEPH_COMMIT
from migrate.storage.ceph import conf, leaving, manager, osd_host
from tests.unit.ceph_world import NEW, OLD, Machine, World, cinder, nova


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(anew, "ANSWER_SECONDS", 0.0)
    for module in (manager, osd_host):
        monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    for name in ("STOP_SECONDS", "START_SECONDS", "UP_SECONDS", "STILL_SECONDS", "ACTIVE_SECONDS"):
        monkeypatch.setattr(osd_host, name, 0)
    found = World(tmp_path, addresses="new")
    found.attachments.serve(monkeypatch)
    return found


def do(world: World, *names: str, past: tuple[str, ...] = ()) -> None:
    session = world.session()
    try:
        renew_ceph.renew(session, names, past, lambda *_: None)
    finally:
        session.journal.close()


def back(world: World, *names: str) -> None:
    session = world.session()
    try:
        renew_ceph.put_back(session, names, lambda *_: None)
    finally:
        session.journal.close()


def test_nothing_is_begun_until_each_old_monitor_is_named(world: World) -> None:
    before = world.cluster.said
    with pytest.raises(IrreversibleError, match=r"on mon would be removed .* add --past mon"):
        do(world)
    with pytest.raises(SettingsError, match="--past osd1: nothing is done there; there are: mon"):
        do(world, past=("mon", "osd1"))
    assert world.cluster.said == before
    assert leaving.no_way_back(world.context) == ""


def test_what_is_wrong_with_the_cluster_forbids_it(world: World) -> None:
    world.cluster.held.add("osd1")
    with pytest.raises(PreconditionError, match="flags are set for osd1: noout"):
        do(world, past=("mon",))
    assert world.cluster.active == "mon1"


def test_old_monitors_stay_while_a_host_with_osds_runs_servers(tmp_path: Path) -> None:
    world = World(tmp_path, osdHosts=["osd1", "compute"])
    with pytest.raises(PreconditionError, match="compute has OSDs and runs servers"):
        do(world, past=("mon",))
    assert world.cluster.active == "mon1"


def test_servers_that_would_not_start_again_are_named_before(world: World) -> None:
    compute, attachments = world.hosts["compute"], world.attachments
    attachments.add(attachments.NOVA, 1, nova("10.0.0.1"))
    compute.answers["monitors_known.without"] = ["one", "two"]
    told = [str(one) for one in renew_ceph.found(world.context, ())]
    assert len(told) == 2
    assert f"info [ceph] 1 attachments in {attachments.NOVA} do not name every new" in told[0]
    assert "warning [ceph] compute: servers know none of the new monitors: one, two" in told[1]
    before = world.cluster.said
    with pytest.raises(StepError, match=r"ceph.servers: compute: servers know none .*: one, two"):
        do(world, past=("mon",))
    assert compute.given[-1] == ("monitors_known.without", [["new"], ["10.0.0.1"]])
    # a hard reboot gives a server all new ones from here on, and nothing else has changed
    assert attachments.texts(attachments.NOVA) == {1: nova("10.0.0.1", "10.0.0.12")}
    assert world.cluster.said == before
    assert leaving.no_way_back(world.context) == ""
    back(world)
    assert attachments.texts(attachments.NOVA) == {1: nova("10.0.0.1")}
    compute.answers.clear()
    do(world, past=("mon",))
    assert attachments.texts(attachments.NOVA) == {1: nova("10.0.0.1", "10.0.0.12")}
    assert leaving.is_committed(world.context)
    compute.answers["monitors_known.without"] = ["one"]
    do(world)  # too late to be told


def test_a_dead_compute_host_is_a_finding_beside_the_others(world: World) -> None:
    attachments = world.attachments
    attachments.add(attachments.NOVA, 1, nova("10.0.0.1"))
    world.hosts["compute"].dead = True
    told = [str(one) for one in renew_ceph.found(world.context, ())]
    assert len(told) == 2
    assert "info [ceph] 1 attachments" in told[0]
    assert "warning [ceph] compute: which monitors its servers know cannot be asked" in told[1]


def test_the_old_monitors_leave_and_then_the_whole_does_not_go_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.session()
    assert status.status(session)["no_way_back"] == ""
    no_return.refuse(world.context, session.journal)
    session.journal.close()
    do(world, past=("mon",))
    assert set(world.cluster.monitors) == set(world.cluster.managers) == {"new"}
    assert leaving.is_committed(world.context)
    do(world)  # again: nothing to do, and nobody to name

    session = world.session()
    with pytest.raises(IrreversibleError, match=r"no way back: the old monitors \(mon1\)"):
        rollback.rollback(session, lambda *_: None)
    no_return.refuse_finished(world.context, session.journal)  # compute hosts do
    found = status.status(session)
    assert "the old monitors were removed" in found["no_way_back"]
    assert any(one.startswith("no way back of the whole") for one in status.lines(found))
    assert "only hosts go back" in status._of_the_target({**found, "settling": []}, "--execute")
    session.journal.close()
    monkeypatch.setattr(guard, "context_of", lambda _: world.context)
    monkeypatch.setenv(guard.GO_BACK, "test")
    assert "the old monitors (mon1) were removed" in (guard.refuse_delete("test") or "")
    with pytest.raises(IrreversibleError, match="were removed by name"):
        back(world)


def test_a_removal_that_goes_on_is_judged_again_as_long_as_it_can_be(world: World) -> None:
    leaving.name_past(world.context, ["mon"])
    world.hosts["new"].notes["ceph-committed"] = {"removed": ["mon1"]}  # and killed
    with pytest.raises(PreconditionError, match="the active manager is mon1"):
        leaving.remove_old(world.context)
    leaving.activate(world.context)
    world.hosts["mon"].notes["ceph-retired"] = {"monitor": "mon1", "managers": ["mon1"]}
    world.cluster.away.add("new")
    with pytest.raises(PreconditionError, match="not in the quorum: new: start them"):
        leaving.remove_old(world.context)
    assert set(world.cluster.monitors) == {"mon1", "new"}
    world.cluster.away.clear()
    leaving.remove_old(world.context)
    assert set(world.cluster.monitors) == {"new"}


def test_no_old_monitor_leaves_while_a_host_does_not_reach_the_new_ones(world: World) -> None:
    leaving.name_past(world.context, ["mon"])
    leaving.activate(world.context)
    world.hosts["osd2"].answers["reach.ports"] = ["open", "timeout"]
    with pytest.raises(PreconditionError, match=r"osd2 does not reach each of 10\.0\.0\.12:3300"):
        leaving.remove_old(world.context)
    assert set(world.cluster.monitors) == {"mon1", "new"}
    assert leaving.no_way_back(world.context) == ""
    del world.hosts["osd2"].answers["reach.ports"]
    leaving.remove_old(world.context)
    assert set(world.cluster.monitors) == {"new"}


@pytest.mark.parametrize("dead", ["mon", "new"])
def test_whoever_is_dead_the_other_knows_that_they_were_removed(world: World, dead: str) -> None:
    do(world, past=("mon",))
    world.hosts[dead].dead = True
    session = world.session()
    with pytest.raises(IrreversibleError, match="were removed by name"):
        no_return.refuse(world.context, session.journal)
    if dead == "mon":
        assert leaving.is_committed(world.context)
    else:
        world.hosts["mon"].dead = True  # the journal is all that is left
        with pytest.raises(IrreversibleError, match=r"journal shows that ceph.commit has begun"):
            no_return.refuse(world.context, session.journal)
    session.journal.close()


def test_a_removal_that_was_only_tried_hinders_no_way_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "read", lambda _: Versions({}, 72))
    session = world.session()
    session.journal.record(Phase.STORAGE, CEPH_COMMIT.id, State.FAILED, "it was refused")
    no_return.refuse(world.context, session.journal)
    session.runner(Phase.STORAGE).retreat()
    assert session.journal.state(CEPH_COMMIT.id) is State.REVERTED
    session.journal.close()
    do(world, past=("mon",))
    session = world.session()
    with pytest.raises(StepError, match=r"ceph.commit: .* were removed by name"):
        session.runner(Phase.STORAGE).retreat()
    assert not CEPH_COMMIT.way_back
    session.journal.close()


def test_before_the_removal_an_old_manager_takes_over_again(world: World) -> None:
    session = world.session()
    steps = {one.id: one for one in session.plan}
    session.journal.close()
    steps["ceph.manager"].apply(world.context)
    assert steps["ceph.manager"].done(world.context)
    assert world.cluster.active == "new"
    back(world)
    assert world.cluster.active == "mon1"


def test_while_monitors_count_on_a_machine_pulumi_does_not_delete_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "context_of", lambda _: world.context)
    refused = guard.refuse_joined("test") or ""
    assert "monitors of Ceph have joined from here (new)" in refused
    provider = guarded_of("test", monkeypatch)
    with pytest.raises(PreconditionError, match="cannot delete anything: refused: monitors"):
        provider.delete("id", {"stack": "test"})
    del world.cluster.monitors["new"]
    guarded.forget()
    assert guard.refuse_joined("test") is None
    provider.delete("id", {"stack": "test"})
    world.hosts["mon"].dead = world.hosts["new"].dead = True
    assert "is not known" in (guard.refuse_joined("test") or "")


def test_who_takes_the_monitors_out_of_the_stack_file_is_told_to_put_them_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.session()
    session.journal.record(Phase.FOLLOW, "ceph.monitor-new", State.DONE)
    none = session.context.settings.ceph.model_copy(update={"monitors": (), "joins": ()})
    settings = session.context.settings.model_copy(update={"ceph": none})
    without = replace(session.context, settings=settings)
    monkeypatch.setattr(guard, "context_of", lambda _: without)
    assert "refused: monitors of Ceph have joined from here (new)" in (
        guard.refuse_joined("test") or ""
    )
    with pytest.raises(PreconditionError, match=r"joined from here .* name them there again"):
        rollback.rollback(replace(session, context=without), lambda *_: None)
    session.journal.record(Phase.FOLLOW, "ceph.monitor-new", State.REVERTED)
    assert guard.refuse_joined("test") is None
    session.journal.close()


def guarded_of(stack: str, monkeypatch: pytest.MonkeyPatch) -> StandingProvider:
    """What Pulumi calls for a part of *stack*, beside no run and before the cutover."""
    guarded.forget()
    monkeypatch.setattr(guard, "refuse_beside", lambda _: None)
    monkeypatch.setattr(guard, "refuse_delete", lambda _: None)
    return StandingProvider()


def test_osds_come_after_the_monitors_and_by_name(world: World) -> None:
    with pytest.raises(PreconditionError, match="the old monitors leave before any OSD"):
        do(world, "osd1", past=("osd1",))
    do(world, past=("mon",))
    with pytest.raises(IrreversibleError, match=r"OSDs of osd1 would be started .*--past osd1"):
        do(world, "osd1")
    with pytest.raises(SettingsError, match=r"--host compute: not in sidestep:ceph\.osdHosts"):
        do(world, "compute")
    assert world.cluster.down == set()
    assert not world.hosts["osd1"].seen


def test_a_manager_that_was_just_ended_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(world, past=("mon",))
    world.cluster.managers["mon1"] = OLD  # its beacons are missed half a minute later

    def read(host: Machine) -> Any:
        said = host.cluster.said
        host.cluster.managers.pop("mon1", None)
        return said

    monkeypatch.setattr(Machine, "_ceph_read", read)
    do(world, "osd1", past=("osd1",))
    assert world.cluster.osds[0] == ("osd1", NEW)


def test_old_monitors_that_left_are_not_asked_for_another_manager(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(world, past=("mon",))
    stale = {**Machine("new", world.cluster, world.context.home)._ceph_statistics(), "ready": False}
    monkeypatch.setattr(Machine, "_ceph_statistics", lambda _: stale)
    do(world)
    assert world.cluster.active == "new"


def test_what_runs_beside_osds_does_not_go_unseen_with_the_system(world: World) -> None:
    do(world, past=("mon",))
    world.hosts["osd1"].answers["osds.beside"] = ["ceph-radosgw@rgw.a.service"]
    with pytest.raises(StepError, match=r"osd1: ceph-radosgw@rgw\.a\.service runs there too"):
        do(world, "osd1", past=("osd1",))
    assert not world.cluster.down
    world.hosts["osd1"].answers["osds.beside"] = []
    do(world, "osd1", past=("osd1",))


def test_a_host_with_osds_is_the_same_after_it_and_never_goes_back(world: World) -> None:
    do(world, past=("mon",))
    do(world, "osd1", past=("osd1",))
    host = world.hosts["osd1"]
    assert world.cluster.osds == {0: ("osd1", NEW), 1: ("osd2", OLD)}
    assert (world.cluster.down, world.cluster.held) == (set(), set())
    assert host.seen == 1
    assert host.own
    assert {"ceph-osd", "ceph-volume", "ceph-base"} <= host.packages
    assert world.list()["devices"] == ["/dev/sd0"]
    assert osds.recovered(world.context, ["osd1", "osd2"]) == {"osd1": {"objects": 0, "bytes": 0}}
    do(world, "osd1")  # again: nothing to do
    assert host.seen == 1
    with pytest.raises(IrreversibleError, match="can never open them again"):
        back(world, "osd1")
    do(world, "osd1", "osd2", past=("osd2",))
    assert world.cluster.osds == {0: ("osd1", NEW), 1: ("osd2", NEW)}
    assert world.cluster.most_down == 1


def test_of_hosts_that_go_back_none_is_begun_where_one_never_does(world: World) -> None:
    do(world, past=("mon",))
    do(world, "osd1", past=("osd1",))
    session = world.session()
    keep, *_ = (one for one in session.plan if one.id == "osd2.keep")
    keep.apply(session.context)
    with pytest.raises(IrreversibleError, match="can never open them again"):
        renew_ceph.refuse_back(session, ["osd2", "osd1"])  # what is shown without --execute, too
    session.journal.close()
    with pytest.raises(IrreversibleError, match="can never open them again"):
        back(world, "osd2", "osd1")
    assert keep.done(session.context)
    back(world, "osd2")
    assert not keep.done(session.context)


def test_what_is_shown_of_the_way_back_of_managers_is_refused_once_there_is_none(
    world: World,
) -> None:
    session = world.session()
    renew_ceph.refuse_back(session, [])
    do(world, past=("mon",))
    with pytest.raises(IrreversibleError, match="were removed by name"):
        renew_ceph.refuse_back(session, [])
    for name in ("mon", "new"):
        world.hosts[name].dead = True
    with pytest.raises(IrreversibleError, match=r"the journal shows that ceph\.commit has begun"):
        renew_ceph.refuse_back(session, [])
    session.journal.close()


def test_a_host_that_came_home_is_not_waited_for_while_another_is_away(world: World) -> None:
    do(world, past=("mon",))
    do(world, "osd1", past=("osd1",))
    lost = world.hosts["osd2"].answers
    lost["osds.start"] = ["ceph-osd@1 did not start"]
    told = r"osd2: ceph-osd@1 did not start.* `ceph osd unset-group noout osd2`"
    with pytest.raises(StepError, match=told):
        do(world, "osd1", "osd2", past=("osd2",))
    assert (world.cluster.down, world.cluster.held) == ({1}, {"osd2"})
    with pytest.raises(StepError, match=r"osd2: ceph-osd@1 did not start"):
        do(world, "osd1", "osd2", past=("osd2",))  # the same again gets there
    assert world.cluster.held == {"osd2"}
    del lost["osds.start"]
    do(world, "osd1", "osd2", past=("osd2",))
    assert (world.cluster.down, world.cluster.held) == (set(), set())


def test_what_a_host_was_outlasts_the_machine_that_asks_the_cluster(world: World) -> None:
    do(world, past=("mon",))
    world.hosts["osd1"].answers["osds.start"] = ["ceph-osd@0 did not start"]
    with pytest.raises(StepError, match=r"ceph-osd@0 did not start"):
        do(world, "osd1", past=("osd1",))
    asks = world.hosts["new"]  # lost, and made again
    asks.notes = {one: note for one, note in asks.notes.items() if "osd1" not in one}
    del world.hosts["osd1"].answers["osds.start"]
    do(world, "osd1", past=("osd1",))
    assert world.cluster.osds[0] == ("osd1", NEW)
    assert (world.cluster.down, world.cluster.held) == (set(), set())


def test_what_was_forgotten_is_not_known_again_by_a_keeper_that_was_dead(world: World) -> None:
    second = world.hosts["new2"]  # which has no monitor
    do(world, past=("mon",))
    side, host = osds.side(world.context), world.hosts["osd1"]
    osd_host.keep(host, side)
    second.dead = True
    osd_host.forget(host, side)
    second.dead = False
    assert not osd_host.is_begun(host, side)
    osd_host.keep(host, side)
    assert osd_host.is_kept(host, side)
    osd_host.forget(host, side)
    assert not [one for one in (*second.notes, *side.asks.notes) if "osds-osd1" in one]  # type: ignore[attr-defined]
    assert not list(world.home.glob("kept-osds-*"))


def test_a_host_that_was_away_for_long_is_waited_for_while_data_comes_home(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(world, past=("mon",))
    monkeypatch.setattr(osd_host, "STILL_SECONDS", 0.02)
    done = Machine._ceph_statistics
    recovered = [0]
    stops = 50

    def statistics(host: Machine) -> Any:
        said = done(host)
        away = world.cluster.osds[0] == ("osd1", NEW) and recovered[0] < 20
        if away:
            recovered[0] += recovered[0] < stops
            said["groups"] = [{"name": "active+recovering", "num": 8}]
            said["told"] = [{"state_name": "active+recovering", "count": 8}]
        return said

    monkeypatch.setattr(Machine, "_ceph_statistics", statistics)
    monkeypatch.setattr(Machine, "_ceph_recovered", lambda _: [recovered[0], 0])
    stops = 5
    with pytest.raises(StepError, match=r"not clean \(8 groups\), and nothing was recovered"):
        do(world, "osd1", past=("osd1",))
    assert (recovered[0], world.cluster.held) == (5, {"osd1"})
    stops = 50
    do(world, "osd1", past=("osd1",))
    assert (recovered[0], world.cluster.held) == (20, set())


def test_a_host_that_is_not_made_anew_leaves_the_cluster_unhealed_and_says_so(
    world: World,
) -> None:
    do(world, past=("mon",))
    (world.home / "anew").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(StepError, match=r"stays closed.* `ceph osd unset-group noout osd1`"):
        do(world, "osd1", past=("osd1",))
    assert (world.cluster.down, world.cluster.held) == ({0}, {"osd1"})
    back(world, "osd1")
    assert (world.cluster.down, world.cluster.held) == (set(), set())


def test_a_host_that_is_lost_holds_up_no_other_once_the_cluster_has_given_it_up(
    world: World,
) -> None:
    do(world, past=("mon",))
    world.hosts["osd1"].answers["osds.start"] = ["ceph-osd@0 did not start"]
    with pytest.raises(StepError, match="ceph-osd@0 did not start"):
        do(world, "osd1", past=("osd1",))
    world.hosts["osd1"].dead = True
    with pytest.raises(PreconditionError, match=r"flags are set for osd1: noout"):
        do(world, "osd2", past=("osd2",))
    world.cluster.held.clear()  # `ceph osd unset-group noout osd1`
    with pytest.raises(PreconditionError, match=r"OSDs are down: osd\.0"):
        do(world, "osd2", past=("osd2",))
    del world.cluster.osds[0]  # `ceph osd purge 0`
    world.cluster.down.clear()
    do(world, "osd2", past=("osd2",))
    assert world.cluster.osds == {1: ("osd2", NEW)}
    assert judged(world) == []
    with pytest.raises(UnreachableError, match="osd1"):
        finish.ceph.drop(world.context)
    ceph_ = world.context.settings.ceph
    hosts = [one for one in ceph_.hosts if one.name != "osd1"]
    ceph_ = ceph_.model_copy(update={"hosts": tuple(hosts), "osd_hosts": ("osd2",)})
    without = replace(
        world.context,
        settings=world.context.settings.model_copy(update={"ceph": ceph_}),
        storage=tuple(one for one in world.context.storage if one.name != "osd1"),
    )
    finish.ceph.drop(without)
    assert finish.ceph.are_dropped(without)


def test_the_stack_file_may_name_hosts_whose_osds_start_for_good(
    tmp_path: Path, world: World
) -> None:
    allowed = world.context.settings.ceph.model_copy(update={"past": ("osd1", "osd2")})
    settings = world.context.settings.model_copy(update={"ceph": allowed})
    object.__setattr__(world.context, "settings", settings)
    do(world, past=("mon",))
    do(world, "osd1", "osd2")
    assert {version for _, version in world.cluster.osds.values()} == {NEW}


@pytest.mark.parametrize("upto", ["keep", "osds-keep", "osds-rest", "reinstall", "own"])
def test_until_its_osds_are_started_it_goes_back(world: World, upto: str) -> None:
    do(world, past=("mon",))
    session = world.session()
    mine = [one for one in session.plan if one.id.startswith("osd1.")]
    for step in mine:
        if not step.done(session.context):
            session.journal.record(step.phase, step.id, State.STARTED)
            step.apply(session.context)
        assert step.done(session.context), step.id
        if step.id == f"osd1.{upto}":
            break
    session.journal.close()
    made = world.hosts["osd1"].seen
    back(world, "osd1")
    host = world.hosts["osd1"]
    assert host.seen == 2 * made
    assert (world.cluster.down, world.cluster.held) == (set(), set())
    assert world.cluster.osds[0] == ("osd1", OLD)
    assert "reinstall" not in host.notes
    assert not [one for one in world.hosts["new"].notes if "osd1" in one]
    do(world, "osd1", past=("osd1",))
    assert world.cluster.osds[0] == ("osd1", NEW)


def test_a_host_is_not_touched_while_another_is_away(world: World) -> None:
    do(world, past=("mon",))
    session = world.session()
    for name in ("keep", "osds-keep", "osds-rest"):
        step = next(one for one in session.plan if one.id == f"osd1.{name}")
        step.apply(session.context)
    session.journal.close()
    told = [one.message for one in renew_ceph.found(world.context, ["osd2"])]
    assert "flags are set for osd1: noout" in told  # without --execute, too
    assert renew_ceph.found(world.context, ["osd1"]) == []  # its own steps judge
    with pytest.raises(PreconditionError, match="flags are set for osd1: noout"):
        do(world, "osd2", past=("osd2",))
    with pytest.raises(PreconditionError, match="flags are set for osd1: noout"):
        osd_host.keep(world.hosts["osd2"], osds.side(world.context))
    assert not world.hosts["osd2"].seen
    assert world.cluster.down == {0}


def test_what_osds_say_of_themselves_counts_where_nothing_is_noted(world: World) -> None:
    do(world, past=("mon",))
    do(world, "osd1", past=("osd1",))
    for name in ("new", "new2"):  # others are the controllers now
        del world.hosts[name].notes["ceph-osds-osd1"]
    seen = world.hosts["osd1"].seen
    with pytest.raises(IrreversibleError, match=r"osd1: .* osd.0 runs reef by its own word"):
        back(world, "osd1")
    with pytest.raises(StepError, match="osd1: nothing of it is kept"):
        do(world, "osd1", past=("osd1",))
    assert world.hosts["osd1"].seen == seen
    assert not world.cluster.down


def test_a_flag_is_noted_before_it_is_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    do(world, past=("mon",))
    saved = Machine._record_save

    def killed(host: Machine, name: str, value: Any) -> None:
        if world.cluster.held:
            raise KeyboardInterrupt
        saved(host, name, value)

    monkeypatch.setattr(Machine, "_record_save", killed)
    monkeypatch.setattr(osd_host, "ACTIVE_SECONDS", 0)
    monkeypatch.setattr(Machine, "_osds_stop", lambda *_: killed(world.hosts["new"], "", {}))
    with pytest.raises(KeyboardInterrupt):
        do(world, "osd1", past=("osd1",))
    assert world.cluster.held == {"osd1"}
    monkeypatch.undo()
    back(world, "osd1")
    assert world.cluster.held == set()


def test_file_systems_of_osds_are_left_and_mounted_again(world: World) -> None:
    host = world.hosts["osd1"]
    host.answers["osds.here"] = [
        {"id": 0, "fsid": "fsid0", "kind": "folder", "place": "/srv/one/ceph-0"},
        {"id": 8, "fsid": "fsid8", "kind": "folder", "place": "/srv/two/ceph-8"},
    ]
    own = {"mount": "/srv/one", "uuid": "6f", "line": "UUID=6f /srv/one ext4"}
    host.mounts["/srv/one/ceph-0"] = own
    session = world.session()
    step = next(one for one in session.plan if one.id == "osd1.keep")
    step.apply(session.context)
    assert step.done(session.context)
    made = next(one for one in session.plan if one.id == "osd1.reinstall")
    made.apply(session.context)
    next(one for one in session.plan if one.id == "osd1.own").apply(session.context)
    session.journal.close()
    assert world.list()["fileSystems"] == [own]
    assert world.list()["mounts"] == ["/srv/two/ceph-8"]
    assert [args[0] for name, args in host.given if name == "kept.mount_again"] == [own]


def judged(world: World) -> list[str]:
    return [one.message for one in finish.ceph.refusals(world.context)]


def test_the_new_release_is_asked_of_osds_when_each_says_that_it_is_of_it(world: World) -> None:
    assert judged(world) == ["the old monitors of Ceph are not removed"]
    do(world, past=("mon",))
    assert judged(world) == ["OSDs are of an older release than reef: osd1, osd2"]
    assert finish.ceph.is_required(world.context) is False
    do(world, "osd1", past=("osd1",))
    # Ceph would take it, and says so: the trap
    with pytest.raises(PreconditionError, match="older release than reef: osd2"):
        finish.ceph.require(world.context)
    assert world.cluster.required == "pacific"
    do(world, "osd2", past=("osd2",))
    world.cluster.held.add("osd2")
    assert judged(world) == ["flags are set for osd2: noout"]
    world.cluster.held.clear()
    assert judged(world) == []
    finish.ceph.require(world.context)
    assert world.cluster.required == "reef"
    assert finish.ceph.is_required(world.context)


def test_finish_ends_it_before_our_notes_go(world: World) -> None:
    session = world.session()
    ids = [one.id for one in session.plan.phase(Phase.FINISH)]
    session.journal.close()
    wanted = ["finish.mark", "finish.ceph", "finish.ceph-addresses", "finish.hosts"]
    assert [one for one in ids if one in wanted] == wanted
    do(world, past=("mon",))
    host = world.hosts["osd1"]
    host.files[conf.PATH] = conf.with_address(host.files[conf.PATH], "10.0.0.1")
    assert not finish.ceph.are_dropped(world.context)
    finish.ceph.drop(world.context)
    assert finish.ceph.are_dropped(world.context)
    attachments = world.attachments
    attachments.add(attachments.CINDER, "a", cinder("10.0.0.1", "10.0.0.12"))
    assert not finish.ceph.are_dropped(world.context)
    finish.ceph.drop(world.context)
    assert finish.ceph.are_dropped(world.context)
    assert attachments.texts(attachments.CINDER) == {"a": cinder("10.0.0.12")}
    assert not conf.names(host.files[conf.PATH], "10.0.0.1")
    assert conf.names(host.files[conf.PATH], "new")
    for name in ("mon", "osd1"):
        world.hosts[name].notes["ceph-addresses"] = {}
    assert not traces.gone_from_computes(world.context)
    traces.clear_computes(world.context)
    assert traces.gone_from_computes(world.context)
    assert [*world.hosts["mon"].notes] == ["ceph-retired"]  # why its old monitor is masked
    assert [*world.hosts["osd1"].notes] == []


def test_a_cluster_that_is_anothers_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    given: dict[str, Any] = {"hosts": [], "monitors": [], "joins": [], "osdHosts": []}
    world = World(tmp_path / "other", **given)
    session = world.session()
    assert [one for one in session.plan if "ceph" in one.id or one.phase is Phase.STORAGE] == []
    with pytest.raises(SettingsError, match=r"ceph.monitors of the stack file names no monitors"):
        renew_ceph.steps(session, ())
    session.journal.close()
    assert judged(world) == []


def test_a_host_that_runs_servers_too_does_not_come_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    world = World(tmp_path / "other", osdHosts=["osd1", "compute"])
    session = world.session()
    with pytest.raises(SettingsError, match="--host compute: it has OSDs and runs servers"):
        renew_ceph.steps(session, ("compute",))
    session.journal.close()
