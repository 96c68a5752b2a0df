"""No way back any more: what goes, what stays, what forbids it; killed anywhere, run twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import finishing
from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.cloud import Context
from migrate.computes import service, versions
from migrate.computes.draining import note
from migrate.computes.estimates import Action
from migrate.computes.network.facts import KNOWN
from migrate.computes.reinstalling import keeping
from migrate.database.tools import calls
from migrate.engine import markers, state_directory
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase, Plan, Step
from migrate.errors import IrreversibleError, PreconditionError, StepError, UnreachableError
from migrate.finish import (
    MARK,
    by_tool,
    caps,
    facts,
    mark,
    online,
    purge,
    refusals,
    services,
    steps,
    traces,
)
from migrate.finish.facts import Names, Record
from migrate.onhost import notes, record
from migrate.phases import finish, guard, move_agents, no_return, renew, rollback, verify
from migrate.phases.plan import compose
from migrate.phases.session import Session
from migrate.services import RECIPES
from migrate.verify import live, views
from migrate.verify.listing import Listing
from tests.unit import fakes
from tests.unit.finishing import COMPUTE, CONF, FENCE, KEPT, Machine, World, without_servers
from tests.unit.network import NEW, NEW2, OLD, Killed

STEPS = list(steps(RECIPES))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()
    without_servers(found, monkeypatch)
    return found


def over(cloud: Context) -> None:
    """As the runner does: each step asked first, then done."""
    for step in Plan.of(STEPS):
        if not step.done(cloud):
            step.apply(cloud)


def opened(cloud: Context, tmp_path: Path) -> Session:
    return Session(cloud, compose(cloud), Journal(tmp_path / "journal", "finish"))


def finished(world: World) -> bool:
    old, new, new2 = map(world.at, (OLD, NEW, NEW2))
    return (
        set(world.records) == {"5", "6", "7"}
        and ("cinder-scheduler", OLD) not in world.volumes
        and len(world.volumes) == 3
        and {host for host, _ in world.agents.values()} == {NEW, NEW2}
        and all("compute = auto" in one.files[CONF] for one in (new, new2))
        and all(one.ours == ["accepted.json"] for one in (new, new2))
        and not KEPT & (new.paths | new2.paths)
        and old.ours == FENCE
        and not world.progress
    )


def test_each_step_is_done_when_it_was_and_not_before(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    asked = [one for one in Plan.of(STEPS) if not one.id.endswith(("-online", "schemas"))]
    for step in asked:
        assert not step.done(cloud), step.id
        step.apply(cloud)
        assert step.done(cloud), step.id
    assert finished(world)


def test_run_twice_it_changes_nothing(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    over(cloud)
    there = len(world.events)
    over(cloud)
    assert {one.partition(": ")[2] for one in world.events[there:]} == {"tools.run"}
    assert finished(world)


def test_records_that_are_in_use_stay(world: World, tmp_path: Path) -> None:
    over(world.settled(tmp_path))
    deleted = [one for one in world.events if one.startswith("DELETE")]
    assert not [one for one in deleted if "nova-compute" in one or "volume" in one]
    assert len(deleted) == 4 + len(KNOWN)


def test_a_record_of_a_compute_host_is_never_deleted(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    names = Names.of(cloud)
    at_old = [Record(OLD, "nova-scheduler", "1"), Record(OLD, versions.COMPUTE, "2")]
    every = {one.binary for one in at_old}
    assert facts.purged(at_old, every, names) == ([], [])  # a name that a compute host has
    assert facts.purged(at_old[:1], every, names) == (at_old[:1], [])
    assert facts.purged(at_old[:1], {}, names) == ([], at_old[:1])
    assert facts.purged([Record(NEW, "nova-scheduler", "1")], every, names) == ([], [])
    with pytest.raises(StepError, match="nova-compute on old is in use"):
        services.delete(None, at_old[1])  # type: ignore[arg-type]


def test_a_name_that_both_sides_have_is_nobodys_to_delete() -> None:
    names = Names(frozenset({"ctl"}), frozenset({"ctl"}))
    assert not names.gone("ctl.old.example")


def test_killed_anywhere_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = World()
    without_servers(whole, monkeypatch)
    over(whole.settled(tmp_path))
    for number in range(len(whole.events)):
        world = World()
        without_servers(world, monkeypatch)
        cloud = world.settled(tmp_path)
        world.dies_at = number
        with pytest.raises(Killed):
            over(cloud)
        if len(world.records) < 7:
            assert markers.finished(cloud), number
        world.dies_at = None
        over(cloud)
        assert finished(world), number


def found(cloud: Context) -> list[str]:
    return [f"{one.where} {one.message}" for one in refusals.findings(cloud)]


def test_nothing_forbids_it_where_all_is_new(world: World, tmp_path: Path) -> None:
    assert found(world.settled(tmp_path)) == []


def test_what_is_still_in_use_forbids_it(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    old = world.at(OLD)
    old.active = {KNOWN[0]}
    world.held[f"{OLD} {KNOWN[1]}"] = {"n1"}
    old.unfenced = ["process 7 (nova-api) of nova lives"]
    world.more["5"] = {"status": "disabled", "disabled_reason": service.REASON}
    world.records["8"] = (COMPUTE + "2", "nova-compute", 68)
    for one in (NEW, NEW2):
        world.at(one).paths.clear()
    assert set(found(cloud)) == {
        " the target is not accepted: calls that change shared volumes are held still",
        " compute hosts are of an older release: compute2",
        "compute this host was closed to be renewed, and is not proven and open again",
        "old neutron-openvswitch-agent is alive or carries something",
        "old neutron-dhcp-agent is alive or carries something",
        "old of the old release: process 7 (nova-api) of nova lives",
        "old of the old release: neutron-openvswitch-agent runs",
    }
    with pytest.raises(PreconditionError, match=r"is not accepted.*are of an older"):
        MARK.apply(cloud)
    assert not [one for one in world.events if "mark" in one]


def test_nova_s_other_services_are_of_the_release_too(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    world.records["8"] = ("far", "nova-conductor", 68)
    world.records["9"] = (NEW, "nova-metadata", 71)
    world.up.add("8")
    told = refusals.findings(cloud)
    assert [(str(one.severity), one.where) for one in told] == [("error", "far"), ("warning", NEW)]
    assert "os-services/9" in told[1].remedy
    with pytest.raises(PreconditionError, match="nova-conductor is of an older release"):
        MARK.apply(cloud)


def test_servers_that_settle_has_sent_away_are_brought_back_first(
    world: World, tmp_path: Path
) -> None:
    cloud = world.settled(tmp_path)
    (host, *_) = cloud.source.computes
    note.add(host, "s1", Action.STOP)
    (told,) = found(cloud)
    assert told.startswith(f"{host.name} servers that left it or were stopped")
    host.dead = True  # type: ignore[attr-defined]
    (told,) = found(cloud)
    assert told.startswith(f"{host.name} whether servers that left it are back is not known")


def test_an_agent_of_the_old_release_on_a_compute_host_forbids_it(
    world: World, tmp_path: Path
) -> None:
    cloud = world.settled(tmp_path)
    (host,) = cloud.source.computes
    assert isinstance(host, Machine)
    new = f"{cloud.installation.tools}/nova-compute"
    host.programs = {
        "nova-compute": {"program": new, "arguments": []},
        "neutron-openvswitch-agent": {"program": "/usr/bin/neutron-openvswitch-agent"},
        "neutron-metadata-agent": {"program": "/usr/bin/neutron-metadata-agent"},
    }
    host.down = ["neutron-metadata-agent"]  # it is told as it ran before it was exchanged
    assert found(cloud) == ["compute of the old release there: neutron-openvswitch-agent"]


@pytest.mark.parametrize("stage", keeping.BETWEEN)
def test_what_is_kept_of_a_host_between_two_systems_is_not_purged(
    world: World, tmp_path: Path, stage: str
) -> None:
    cloud = world.settled(tmp_path)
    world.at(NEW2).kept = {"reinstall-compute": {"stage": stage, "count": 3}}
    (told,) = found(cloud)
    assert told.startswith("compute it stands between two systems")
    with pytest.raises(PreconditionError, match="nowhere but on the controllers"):
        MARK.apply(cloud)
    world.at(NEW2).kept["reinstall-compute"]["stage"] = keeping.Stage.ITSELF
    assert found(cloud) == []
    state_directory.record(cloud.home / "kept-compute.json", {"stage": stage, "count": 4})
    world.at(NEW2).dead = True
    assert [one for one in found(cloud) if "between two systems is not known: new2" in one]


def test_what_of_others_lives_on_an_old_controller_is_told_and_forbids_nothing(
    world: World, tmp_path: Path
) -> None:
    cloud = world.settled(tmp_path)
    (host,) = cloud.source.computes
    assert isinstance(host, Machine)
    world.at(OLD).own, world.at(OLD).ceph = ["10.5.0.2/24"], ["mon.a", "osd.3"]
    host.shares = [["/var/lib/nova/mnt/a", "10.5.0.2"], ["/var/lib/nova/mnt/b", "10.5.0.2"]]
    world.at(NEW).shares = [["/srv", "10.5.0.9"]]
    (time,) = (one for one in refusals.SYSTEM if one.endswith("timesyncd.conf"))
    host.files[time] = world.at(NEW2).files[time] = "[Time]\nNTP=10.5.0.2 10.5.0.9\n"
    assert found(cloud) == [
        f" 10.5.0.2, an old controller, is named by {time} of compute, {NEW2}",
        " 10.5.0.2, an old controller, serves shares of compute",
        "old mon.a, osd.3 of Ceph is there",
    ]
    MARK.apply(cloud)
    host.dead = True
    assert " 10.5.0.2, an old controller, serves shares of compute" not in found(cloud)


def test_before_the_cutover_there_is_nothing_to_finish(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    world.at(NEW).stages.clear()
    assert found(cloud) == [" the target does not serve"]


def test_a_service_that_is_heard_keeps_its_record(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    world.up.add("1")
    with pytest.raises(StepError, match="still hears nova-scheduler on old"):
        over(cloud)
    assert len(world.records) == 7


@pytest.mark.parametrize("clocks", [(3600.0, 3600.0), (-3600.0, 3600.0), (3600.0, -3600.0)])
def test_what_reads_the_cap_is_started_after_the_mark_whatever_clocks_say(
    world: World, tmp_path: Path, clocks: tuple[float, float]
) -> None:
    cloud = world.settled(tmp_path)
    for name, clock in zip((NEW, NEW2), clocks, strict=True):
        host = world.at(name)
        host.clock, host.files[CONF] = clock, "[upgrade_levels]\ncompute = auto\n"
        (nova,) = (one for one in RECIPES if one.project == "nova")
        host.started = dict.fromkeys(caps._units(cloud, nova, host), host.now - 50)
    mark.mark(cloud)
    assert not caps.lifted(cloud)
    caps.lift(cloud)
    assert caps.lifted(cloud)


def test_a_controller_of_the_source_may_be_off_once_it_was_asked(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = world.settled(tmp_path)

    def off(*_: Any, **__: Any) -> None:
        raise UnreachableError("old is away", OLD)

    def switch_off(patch: pytest.MonkeyPatch) -> None:
        for name in ("run", "shell", "python", "exists", "write"):
            patch.setattr(world.at(OLD), name, off)

    with monkeypatch.context() as patch:
        switch_off(patch)
        assert found(cloud) == ["old nobody can say what runs there (old is away)"]
    over(cloud)
    switch_off(monkeypatch)
    assert found(cloud) == []
    there = len(world.events)
    over(cloud)
    assert {one.partition(": ")[2] for one in world.events[there:]} == {"tools.run"}


def test_the_filter_stays_while_anything_runs_behind_it(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    MARK.apply(cloud)
    world.at(OLD).unfenced = ["process 7 (nova-api) of nova lives"]
    (address,) = (one for one in STEPS if one.id == "finish.address")
    with pytest.raises(StepError, match=r"nova-api.* lives, so the filter stays"):
        address.apply(cloud)
    assert not address.done(cloud)


def test_what_a_listing_of_before_has_of_it_is_known(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    rows = {f"{what}@{host}": (host, what) for host, what, _ in world.records.values()}
    resources = {
        "agent": {
            one: {"host": host, "binary": binary} for one, (host, binary) in world.agents.items()
        },
        "compute-service": {
            one: {"host": host, "binary": binary} for one, (host, binary) in rows.items()
        },
        "server": {"web": {"host": OLD}},
        "volume-service": {
            f"{binary}@{host}": {"host": host, "binary": binary} for binary, host in world.volumes
        },
    }
    gone = purge.listed(cloud, resources)
    over(cloud)
    left = {f"{what}@{host}" for host, what, _ in world.records.values()}
    old = {f"{OLD} {binary}" for binary in KNOWN}
    assert gone == (rows.keys() - left) | old | {f"cinder-scheduler@{OLD}"}


def test_a_scheduler_that_is_heard_under_the_old_name_is_the_target_s_own(
    world: World, tmp_path: Path
) -> None:
    cloud = world.settled(tmp_path)
    world.volumes["cinder-scheduler", OLD] = "up"
    over(cloud)
    assert ("cinder-scheduler", OLD) in world.volumes


def test_a_record_that_is_gone_meanwhile_is_no_error_and_one_that_stays_is(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = world.settled(tmp_path)
    answers = iter([2, 1, 0])  # not found, another failure, and one that lies

    def run(*_: Any) -> Any:
        status = next(answers)
        if status == 2:
            del world.volumes["cinder-scheduler", OLD]
        return {"status": status, "output": "no database"}

    monkeypatch.setattr(Machine, "tools_run", run)
    by_tool.purge(cloud)
    world.volumes["cinder-scheduler", OLD] = "down"
    with pytest.raises(StepError, match="service remove cinder-scheduler old exited 1"):
        by_tool.purge(cloud)
    with pytest.raises(StepError, match="still listed: cinder-scheduler on old"):
        by_tool.purge(cloud)


def test_verify_misses_what_finish_has_purged_and_nothing_before_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = world.settled(tmp_path)
    agent = {f"{OLD} {one}": {"host": OLD, "binary": one} for one in KNOWN}
    before = {"admin": Listing({"agent": agent}, {}, {}, 0.0, 0.0)}
    monkeypatch.setattr(views, "kept", lambda _: before)
    told: list[set[str]] = []

    def run(*_: Any, purged: set[str]) -> live.Verification:
        told.append(purged)
        return live.Verification()

    monkeypatch.setattr(live, "run", run)
    session = opened(cloud, tmp_path)
    verify.verify(session)
    over(cloud)
    verify.verify(session)
    session.journal.close()
    assert told == [set(), set(agent)]


def test_the_plan_says_what_goes_and_what_stays(world: World, tmp_path: Path) -> None:
    plan = purge.planned(world.settled(tmp_path))
    goes = [f"{one.where} {one.what}" for one in plan.goes]
    assert {f"{OLD} {one}" for one in KNOWN} < set(goes)
    assert f"{OLD} cinder-scheduler" in goes
    assert {f"{NEW}:{CONF} cap epoxy", "compute /var/lib/migrate/settle-units.json"} < set(goes)
    assert not [one for one in goes if "settle-environment" in one or "accepted" in one]
    stays = {one.what: one.why for one in plan.stays}
    assert "nova-compute's are in use" in stays["all other records of nova"]
    assert "every volume's identity" in stays["all other records of cinder"]
    assert "nova-strange" in stays
    assert world.events == []


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("| Migration | Total Needed | Completed |\n| a_b | 6 | 0 |\n| c | 2 | 2 |\n", 2),
        ("| Migration | Total Needed | Completed |\n", 0),
    ],
)
def test_what_is_completed_counts_not_what_is_needed(output: str, told: int) -> None:
    assert sum(online.completed(output).values()) == told


def test_a_tool_that_says_nothing_is_not_believed() -> None:
    with pytest.raises(StepError, match="did not say"):
        online.completed("all well")


def test_online_migrations_run_until_a_run_completes_nothing(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    (recipe,) = (one for one in RECIPES if one.project == "cinder")
    assert len(list(calls(recipe, recipe.online, []))) == 1
    online.migrate(cloud, recipe)
    assert world.events == ["new: tools.run"] * 2
    assert cloud.extras[online.COMPLETED] == {"cinder": {"fill_it": 2, "for_ever": 0}}


def test_it_is_asked_for_by_name_and_once(world: World, tmp_path: Path) -> None:
    session = opened(world.settled(tmp_path), tmp_path)
    with pytest.raises(IrreversibleError, match=r"Nothing was begun: add --past finish\.mark"):
        finish.finish(session, lambda *_: None)
    assert world.events == []
    finish.finish(session, lambda *_: None, [MARK.id])
    assert finished(world)
    finish.finish(session, lambda *_: None)


@pytest.mark.parametrize("lost", [True, False])
def test_after_it_nothing_goes_back(world: World, tmp_path: Path, lost: bool) -> None:
    cloud = world.settled(tmp_path)
    session = opened(cloud, tmp_path)
    MARK.apply(cloud)
    if not lost:  # the machines forgot, the journal knows
        session.journal.record(Phase.FINISH, MARK.id, State.DONE)
        world.at(NEW).stages, world.at(OLD).marks = {}, "[]"
    there = len(world.events)
    for go_back in (
        lambda: rollback.rollback(session, lambda *_: None),
        lambda: renew.put_back(session, [COMPUTE], lambda *_: None),
        lambda: move_agents.move_back(session, lambda *_: None),
    ):
        with pytest.raises(IrreversibleError, match="nothing overrides"):
            go_back()
    assert len(world.events) == there


def test_before_it_the_way_back_is_not_refused(world: World, tmp_path: Path) -> None:
    cloud = world.settled(tmp_path)
    session = opened(cloud, tmp_path)
    session.journal.record(Phase.FINISH, MARK.id, State.FAILED, "it was refused")
    no_return.refuse(cloud, session.journal)


def test_pulumi_deletes_nothing_after_it_whatever_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = fakes.context(tmp_path)
    monkeypatch.setattr(guard, "context_of", lambda _: replace(context, home=tmp_path))
    journal = Journal(tmp_path / "journal", "finish")
    journal.record(Phase.FINISH, MARK.id, State.DONE)
    journal.close()
    monkeypatch.setenv(guard.GO_BACK, "test")
    assert "no way back" in (guard.refuse_delete("test") or "")


def test_a_cloud_without_servers_has_nothing_of_theirs_to_purge() -> None:
    some = tuple(one for one in RECIPES if one.project in ("keystone", "glance"))
    ids = [one.id.removeprefix("finish.") for one in Plan.of(steps(some))]
    assert ids == ["mark", "schemas", "address", "traces", "hosts"]


def test_no_step_of_it_can_be_undone() -> None:
    every: list[Step] = [one for one in STEPS if one.phase is Phase.FINISH]
    assert len(every) == len(STEPS)
    assert {one.revert for one in every} == {None}


def test_what_is_kept_here_for_the_way_back_of_hosts_goes_also_of_one_that_is_named_no_more(
    world: World, tmp_path: Path
) -> None:
    cloud = world.settled(tmp_path)
    goes = [f"{what}-{COMPUTE}" for what in ("kept", "reinstall")]
    goes += [f"{what}-gone" for what in ("installer", "settle", "kept", "reinstall")]
    goes = [*(f"{one}.json" for one in goes), "fresh-gone.known_hosts"]
    stays = [f"installer-{COMPUTE}.json", f"settle-{COMPUTE}.json", "settle-probes.json"]
    stays += [f"moves-{COMPUTE}.json", "reinstall-gone.log"]
    for name in (*goes, *stays):
        (tmp_path / name).write_text("{}")
    shown = {one.what for one in purge.planned(cloud).goes if one.where.startswith("the state")}
    assert shown == set(goes)
    assert not traces.gone_from_computes(cloud)
    traces.clear_computes(cloud)
    assert traces.gone_from_computes(cloud)
    assert set(goes + stays) & {one.name for one in tmp_path.iterdir()} == set(stays)


def test_notes_of_a_host_go_but_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "notes"
    monkeypatch.setattr(record, "FOLDER", str(folder))
    assert notes.left([]) == []
    (folder / "transfer").mkdir(parents=True)
    for name in ("kernel.json", "accepted.json", "keepalived.conf"):
        (folder / name).touch()
    assert notes.left(["accepted.json"]) == ["keepalived.conf", "kernel.json"]
    notes.remove(["accepted.json"])
    assert sorted(one.name for one in folder.iterdir()) == ["accepted.json", "transfer"]
    (folder / "transfer").rmdir()
    notes.remove([])
    assert not folder.exists()


@pytest.fixture
def command(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Any]:
    """The command over *world*; its answer for programs."""
    session = opened(world.settled(tmp_path), tmp_path)
    monkeypatch.setattr(finishing, "at_work", lambda *_, **__: nullcontext(session))

    def run(*past: str, execute: bool = False) -> Any:
        given: dict[str, Any] = {"take_over": False, "os_cloud": "", "past": past}
        try:
            finishing.run_finish(Screen("json"), "test", execute=execute, **given)
        finally:
            TERMINAL.flush()
            run.said = capsys.readouterr()  # type: ignore[attr-defined]
        return json.loads(run.said.out)  # type: ignore[attr-defined]

    return run


def test_without_execute_it_only_shows(world: World, command: Any) -> None:
    answer = command()
    assert world.events == []
    assert [one["way_back"] for one in answer["steps"]] == [False] * len(STEPS)
    assert answer["findings"] == []
    assert len(answer["goes"]) > len(KNOWN)
    assert "add --execute --past finish.mark" in command.said.err


def test_what_forbids_it_is_shown_beside_what_would_go(world: World, command: Any) -> None:
    world.at(OLD).unfenced = ["process 7 (nova-api) of nova lives"]
    with pytest.raises(PreconditionError, match="nova-api"):
        command("finish.mark", execute=True)
    answer = json.loads(command.said.out)
    assert [one["severity"] for one in answer["findings"]] == ["error"]
    assert answer["goes"]
    assert world.events == []


@pytest.mark.parametrize("ceph", [[], ["osd.3"]])
def test_done_it_names_what_was_let_go(world: World, command: Any, ceph: list[str]) -> None:
    world.at(OLD).ceph = ceph
    answer = command("finish.mark", execute=True)
    assert finished(world)
    assert answer["released"] == [OLD]
    assert sum(sum(one.values()) for one in answer["online"].values()) == 2
    said = " ".join(command.said.err.split())
    first = "what is told above as needed moves first, then " if ceph else ""
    assert f"nothing of OpenStack needs old: {first}power off by hand" in said
