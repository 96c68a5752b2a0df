"""Which hosts come over, in which order, and what becomes of those that fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import settling
from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.cloud import Context, login
from migrate.computes import closing, draining, installers, service, versions
from migrate.computes.draining import note, timings
from migrate.computes.estimates import Action, Way
from migrate.computes.installers import in_place, reinstall, update
from migrate.computes.probing import hypervisors
from migrate.computes.probing import note as trips
from migrate.computes.probing.facts import How, Platform, Seen, Shape, Tried, Trip
from migrate.computes.versions import Versions
from migrate.engine import markers
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase, Plan, Step
from migrate.errors import (
    IrreversibleError,
    PreconditionError,
    RefusedError,
    SettingsError,
    StepError,
    UnreachableError,
)
from migrate.phases import control, renew, updating
from migrate.phases.plan import PROBED, settled
from migrate.phases.session import Session
from migrate.verify import probe
from tests.unit import fakes
from tests.unit.test_settle import host, planned, server

NAMES = ("c1", "c2", "c3", "c4")
WEB = [server("web", "elsewhere")]


class Cloud:
    """Four hosts of the old release; `broken` says at which step a host fails."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.versions = dict.fromkeys(NAMES, 68)
        self.cells = dict.fromkeys(NAMES, "nova")
        self.broken: dict[str, str] = {}
        self.done: list[str] = []
        self.undone: list[str] = []
        self.away: list[str] = []
        self.stuck = ""  # the step that cannot be undone
        self.probe: Callable[[], object] = lambda: None

    def apply(self, _: Context, step: str) -> None:
        if step == PROBED.id:
            self.done.append(step)
            self.probe()
            return
        name, what = step.split(".")
        if self.broken.get(name) == what:
            raise StepError(f"{name}: it broke")
        self.done.append(step)
        self.versions[name] = 72 if what == "renew" else self.versions[name]

    def revert(self, _: Context, step: str) -> None:
        if step == self.stuck:
            raise StepError("it runs on")
        self.undone.append(step)

    def tidy(self, _: Context) -> None:
        self.undone.append("ours go")

    def bring(self, _: Context, host: fakes.FakeHost) -> list[str]:
        self.undone.append(f"{host.name}'s servers come home")
        return self.away

    def settle(self, *past: str, **decided: Any) -> renew.Outcome:
        plan = planned([host(one) for one in NAMES], WEB, way=Way.IN_PLACE, **decided)
        limits = self.session.context.settings.settle.model_copy(update=decided)
        return renew.renew(self.session, plan, limits, past, lambda *_: None)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    context, _ = fakes.context(tmp_path)
    computes = tuple(fakes.FakeHost(name) for name in NAMES)
    context = replace(context, source=replace(context.source, computes=computes))
    journal = Journal(tmp_path / "journal", "settle")
    found = Cloud(Session(context, Plan(()), journal))
    each = [step for name in NAMES for step in settled(name, in_place)]
    steps = [scripted(one, found) for one in (PROBED, *each)]
    found.session = replace(found.session, plan=Plan.of(steps))
    monkeypatch.setattr(versions, "read", lambda _: Versions(found.versions, 72, found.cells))
    monkeypatch.setattr(markers, "live", lambda _: True)
    monkeypatch.setattr(
        in_place, "restore", lambda _, host: found.undone.append(f"{host.name} runs the old")
    )
    monkeypatch.setattr(draining, "bring", found.bring)
    monkeypatch.setattr(probe, "tidy", found.tidy)
    monkeypatch.setattr(closing, "reopen", lambda _, host: found.undone.append(host.name))
    yield found
    journal.close()


def scripted(step: Step, cloud: Cloud) -> Step:
    never: Callable[[Context], bool] = lambda _: False  # noqa: E731
    return replace(
        step,
        done=never,
        apply=partial(cloud.apply, step=step.id),
        revert=partial(cloud.revert, step=step.id),
    )


def renewed(cloud: Cloud) -> list[str]:
    return [step.partition(".")[0] for step in cloud.done if step.endswith(".renew")]


def test_the_last_old_host_is_asked_for_by_name_before_anything_is_done(cloud: Cloud) -> None:
    with pytest.raises(IrreversibleError, match="add --past c4"):
        cloud.settle(canary=1, batch=3)
    assert cloud.done == []
    assert len(cloud.settle("c4", canary=1, batch=3).done) == 4


def test_who_is_named_and_not_in_the_plan_is_refused(cloud: Cloud) -> None:
    """A slip of the pen, or a host that is left out as well: nothing is guessed."""
    with pytest.raises(SettingsError, match=r"--past c5: no compute host of this plan"):
        cloud.settle("c4", "c5", canary=1, batch=3)
    assert cloud.done == []


def test_the_last_old_host_of_each_cell_is_asked_for_by_name(cloud: Cloud) -> None:
    cloud.cells |= dict.fromkeys(("c1", "c2"), "nova_east")
    with pytest.raises(IrreversibleError, match=r"c2, c4 would be .*add --past c2 --past c4"):
        cloud.settle(canary=1, batch=3)
    with pytest.raises(IrreversibleError, match="c2 would be"):
        cloud.settle("c4", canary=1, batch=3)
    cloud.versions["c2"] = 72  # in the east only c1 is left
    with pytest.raises(IrreversibleError, match="c1 would be"):
        cloud.settle("c4", canary=1, batch=3)
    assert cloud.done == []
    cloud.versions |= dict.fromkeys(("c1", "c2", "c3"), 72)
    with pytest.raises(IrreversibleError, match="is left in the cell of c1"):
        renew.put_back(cloud.session, ["c3", "c1"], lambda *_: None)
    renew.put_back(cloud.session, ["c3"], lambda *_: None)
    assert "c3.renew" in cloud.undone


def test_cells_are_told_by_their_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    each = {
        "nova": [("ctl", "nova-conductor", 72), ("c1", "nova-compute", 68)],
        "nova_cell0": [],
        "nova_east": [("ctl", "nova-conductor", 70), ("c2", "nova-compute", 72)],
    }
    monkeypatch.setattr(versions, "each_cell", lambda *_: each)
    found = versions.read(None)  # type: ignore[arg-type]
    assert found == Versions({"c1": 68, "c2": 72}, 72, {"c1": "nova", "c2": "nova_east"})


def test_a_canary_goes_first_and_alone(cloud: Cloud) -> None:
    cloud.settle("c4", canary=1, batch=3)
    assert renewed(cloud)[0] == "c1"
    assert cloud.done.index("c1.open") < min(
        cloud.done.index(f"{name}.environment") for name in NAMES[1:]
    )


def test_a_host_that_fails_costs_the_others_of_its_batch_nothing(cloud: Cloud) -> None:
    cloud.broken = {"c2": "renew"}
    with pytest.raises(StepError, match="2 compute hosts came over, but not c2: "):
        cloud.settle("c4", canary=0, batch=3)
    assert sorted(renewed(cloud)) == ["c1", "c3"]
    assert "c2.close" in cloud.done
    assert "c2.open" not in cloud.done


def test_no_further_batch_begins_once_as_many_have_failed_as_may(cloud: Cloud) -> None:
    cloud.broken = {"c1": "proof"}
    with pytest.raises(StepError, match="c1"):
        cloud.settle("c4", canary=1, batch=1, stop_after=1)
    assert renewed(cloud) == ["c1"]
    cloud.broken = {}
    note = cloud.session.home / "settle-c1.json"
    note.touch()  # as a host has it that was closed and is not yet open again
    assert cloud.settle("c4", canary=1, batch=1, stop_after=1).done == list(NAMES)


def test_what_is_new_already_is_left_alone(cloud: Cloud) -> None:
    cloud.versions |= {"c1": 72, "c3": 72}
    outcome = cloud.settle("c4", canary=0, batch=4)
    assert (sorted(outcome.done), outcome.already) == (["c2", "c4"], ["c1", "c3"])


def test_a_host_goes_back_in_the_order_of_its_steps_then_takes_servers(cloud: Cloud) -> None:
    cloud.settle("c4", canary=0, batch=4)
    with pytest.raises(IrreversibleError, match="is left in the cell of c2"):
        renew.put_back(cloud.session, ["c2"], lambda *_: None)
    cloud.versions["c4"] = 68  # as where it was left out
    renew.put_back(cloud.session, ["c2"], lambda *_: None)
    steps = ["home", "open", "proof", "renew", "drain", "close", "environment"]
    before = ["c2 runs the old", "c2's servers come home"]
    assert cloud.undone == [*before, *(f"c2.{one}" for one in steps), "c2", "ours go"]


def test_servers_that_do_not_come_home_are_named_and_the_host_is_back(cloud: Cloud) -> None:
    cloud.away = ["web (s1): no valid host"]
    with pytest.raises(StepError, match=r"c2 is not back: its servers: web \(s1\): no valid host"):
        renew.put_back(cloud.session, ["c2"], lambda *_: None)
    steps = ["home", "open", "proof", "renew", "close", "environment"]
    before = ["c2 runs the old", "c2's servers come home"]
    # who is away is known still by the step that is left out: the same again
    assert cloud.undone == [*before, *(f"c2.{one}" for one in steps), "c2", "ours go"]


def test_the_environment_stays_while_what_runs_from_it_cannot_be_exchanged(cloud: Cloud) -> None:
    """Also while servers are away, when the step between the two is not undone."""
    cloud.away = ["web (s1): no valid host"]
    cloud.stuck = "c2.renew"
    with pytest.raises(StepError, match=r"c2 is not back: c2\.renew: it runs on"):
        renew.put_back(cloud.session, ["c2"], lambda *_: None)
    assert cloud.undone[2:] == ["c2.home", "c2.open", "c2.proof", "ours go"]


def test_a_dead_host_is_passed_over_and_named_with_what_waits_there(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else fails beside it: neither hides the other, and all else goes back."""
    usual = in_place.restore

    def restore(context: Context, host: Any) -> None:
        if host.name == "c2":
            raise UnreachableError("c2 is away", "c2")
        if host.name == "c3":
            raise RefusedError("c3 lets nobody in", "c3")
        usual(context, host)

    def tidy(_: Context) -> None:
        raise StepError("nova is away")

    monkeypatch.setattr(in_place, "restore", restore)
    monkeypatch.setattr(probe, "tidy", tidy)
    with pytest.raises(
        StepError, match=r"c2 is not back: c2 is away\. It is passed over.*boots"
    ) as e:
        renew.put_back(cloud.session, ["c2", "c3", "c1"], lambda *_: None)
    assert str(e.value).endswith("c3 is not back: c3 lets nobody in")
    assert "c1.renew" in cloud.undone
    assert not [one for one in cloud.undone if one.startswith(("c2", "c3"))]
    assert [one.text for one in cloud.session.journal.remarks()] == [
        "what a killed run has left was not deleted: nova is away"
    ]


def test_a_host_whose_servers_are_not_home_is_gone_on_with(cloud: Cloud) -> None:
    cloud.versions |= {"c1": 72}
    (c1, *_) = cloud.session.context.source.computes
    note.add(c1, "s1", Action.STOP)
    outcome = cloud.settle("c4", canary=0, batch=4)
    assert "c1" in outcome.done
    assert outcome.already == []


def test_a_host_goes_back_whatever_this_desk_knows_of_it(cloud: Cloud) -> None:
    """Another one has brought it over: this journal has only other hosts."""
    cloud.versions |= dict.fromkeys(("c2", "c3"), 72)
    cloud.settle("c4", canary=0, batch=1)
    cloud.versions["c4"] = 68
    renew.put_back(cloud.session, ["c2"], lambda *_: None)
    assert "c2.renew" in cloud.undone


def test_what_is_on_a_host_before_its_turn_is_kept_for_the_report(cloud: Cloud) -> None:
    on_c1 = [
        server("web", "c1"),
        server("db", "c1", volume_booted=True, volumes=("v",)),
        server("off", "c1", status="SHUTOFF", volumes=("w",)),
        server("still", "c1", status="PAUSED"),
    ]

    def settle(servers: Any, **more: Any) -> None:
        plan = planned([host("c1", **more), host("c2")], servers, "c1", way=Way.IN_PLACE)
        limits = cloud.session.context.settings.settle
        renew.renew(cloud.session, plan, limits, (), lambda *_: None)

    settle(on_c1)
    found = {
        "kinds": {"running": 2, "stopped": 1, "paused": 1},
        "disks": {"local disk": 3, "volumes": 2},
    }
    assert timings.kept(cloud.session.context, "c1")["servers"] == found
    cloud.versions["c1"] = 68
    settle(on_c1[:1], enabled=False, reason=service.REASON)  # in the middle: some have left
    assert timings.kept(cloud.session.context, "c1")["servers"] == found


def test_batches_are_as_far_apart_as_the_stack_file_says(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[tuple[float, int]] = []
    wait = cloud.session.cancellation.wait

    def waiting(seconds: float) -> bool:
        waited.append((seconds, len(renewed(cloud))))
        return wait(0)

    monkeypatch.setattr(cloud.session.cancellation, "wait", waiting)
    cloud.settle("c4", canary=1, batch=2, pause_seconds=60)
    assert [one for one in waited if one[0] == 60] == [(60, 1), (60, 3)]


def test_a_stop_between_batches_names_who_is_left(cloud: Cloud) -> None:
    cloud.session.cancellation.request("stopped by SIGINT")
    with pytest.raises(StepError, match="SIGINT"):
        cloud.settle("c4", canary=0, batch=1)


def test_a_pause_holds_the_next_batch_and_a_stop_says_that_none_was_begun(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = partial(cloud.session.cancellation.request, "stopped by the operator")
    monkeypatch.setattr(Session, "remark", lambda _, about, __: about == "pause" and stop())
    control.ask(cloud.session.home, control.PAUSE)
    told = "stopped by the operator while paused; no further batch was begun"
    with pytest.raises(StepError, match=told):
        cloud.settle("c4", canary=0, batch=1)
    assert renewed(cloud) == []


def test_by_another_installer_the_plan_has_its_steps_for_these_hosts(cloud: Cloud) -> None:
    session = renew.by(cloud.session, "reinstall", ["c1"], begun=[])
    ids = {one.id for one in session.plan}
    assert {"c1.keep", "c2.environment"} <= ids
    assert "c2.keep" not in ids
    assert renew.by(cloud.session, "in-place", ["c2"], begun=[]) is cloud.session


def test_a_desk_that_knows_nothing_takes_hosts_for_what_machines_say_they_are(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fakes.ANSWERS, "notes.left", ["settle-reinstalled.json"])
    (c1, c2, *_) = cloud.session.context.source.computes
    ids = {one.id for one in renew.learned(cloud.session, [c2]).plan}
    assert {"c1.environment", "c2.keep"} <= ids
    assert "c1.keep" not in ids
    cloud.versions["c1"] = 72
    note.add(c1, "s1", Action.STOP)  # a run before has left it in the middle
    with pytest.raises(PreconditionError, match=r"c1 \(reinstall\) is in the middle by another"):
        cloud.settle("c4", canary=0, batch=4)
    assert cloud.done == []


def test_on_the_way_back_too(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    back: list[str] = []
    monkeypatch.setitem(fakes.ANSWERS, "notes.left", ["settle-reinstalled.json"])
    monkeypatch.setattr(reinstall, "restore", lambda _, host: back.append(host.name))
    monkeypatch.setattr(renew, "compose", lambda _: cloud.session.plan)
    renew.put_back(cloud.session, ["c2"], lambda *_: None)
    assert back == ["c2"]
    assert "c2 runs the old" not in cloud.undone


def test_its_plan_shows_what_machines_say_and_refuses_what_cannot_be_done(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(fakes.ANSWERS, "notes.left", ["settle-reinstalled.json"])
    show = partial(settling._back, Screen("json"), cloud.session, execute=False, update=False)
    show(hosts=("c2",))
    TERMINAL.flush()
    assert "c2.own" in json.loads(capsys.readouterr().out)["would_undo"]
    assert not list(cloud.session.home.glob("installer-*"))
    with pytest.raises(SettingsError, match=r"c9: not in sidestep:source\.computes"):
        show(hosts=("c9",))
    cloud.versions = dict.fromkeys(NAMES, 72)
    with pytest.raises(IrreversibleError, match="no compute host of the old release is left"):
        show(hosts=("c2",))


def test_only_hosts_that_can_be_reached(cloud: Cloud) -> None:
    limits = cloud.session.context.settings.settle
    hosts = [host("elsewhere"), host("another")]
    unknown = planned(hosts, WEB, "elsewhere", way=Way.IN_PLACE)
    with pytest.raises(SettingsError, match=r"elsewhere: not in sidestep:source\.computes"):
        renew.renew(cloud.session, unknown, limits, (), lambda *_: None)
    assert cloud.done == []


def test_live_migration_is_tried_before_the_first_host_and_after_each_batch(cloud: Cloud) -> None:
    cloud.settle("c4", canary=1, batch=3)
    told = [one for one in cloud.done if one == PROBED.id or one.endswith(".renew")]
    assert told[:3] == [PROBED.id, "c1.renew", PROBED.id]
    assert told[-1] == PROBED.id
    assert len(told) == 4 + 3


def test_what_a_host_runs_is_asked_anew_once_servers_came_to_it(cloud: Cloud) -> None:
    context, limits = cloud.session.context, cloud.session.context.settings.settle
    context.extras[hypervisors.KEY] = {name: {} for name in NAMES}
    hosts = [host("c1", used=1), host("c2"), host("c3", enabled=False)]
    plan = planned(hosts, [server("web", "c1")], "c1", way=Way.IN_PLACE, otherwise="liveMigrate")
    renew.renew(cloud.session, plan, limits, (), lambda *_: None)
    assert set(context.extras[hypervisors.KEY]) == {"c3", "c4"}


def test_a_host_whose_servers_can_go_nowhere_is_as_it_was_and_named(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, shape = Platform("2025.1", "10", "11", "cpu"), Shape("pc", "bios", "local file")
    seen = [Seen(name, "nova", True, old, {f"on-{name}": shape}) for name in NAMES]
    monkeypatch.setattr(hypervisors, "read", lambda *_: seen)
    monkeypatch.setattr(login, "api", lambda _: None)
    context, limits = cloud.session.context, cloud.session.context.settings.settle
    trip = Trip(old, old, shape)
    cloud.probe = lambda: trips.add(context, trip, Tried(How.FAILS, "no key"))

    def settle(**decided: Any) -> None:
        hosts = [host(one, used=1) for one in NAMES]
        servers = [server(f"on-{one}", one) for one in ("c1", "c2")]
        plan = planned(hosts, servers, "c1", "c2", "c3", way=Way.IN_PLACE, **decided)
        renew.renew(cloud.session, plan, limits, (), lambda *_: None)

    with pytest.raises(StepError, match=r"c1 stays as it was.*no key"):
        settle(otherwise="liveMigrate", canary=1)
    assert renewed(cloud) == ["c3"]  # the canary, of which nobody is to go
    settle()  # where servers stay, it forbids nothing
    assert sorted(renewed(cloud)) == ["c1", "c2", "c3"]


def test_every_step_of_a_host_belongs_to_its_phase() -> None:
    assert {one.phase for one in settled("c1", in_place)} == {Phase.SETTLE}


def updated(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, **decided: Any) -> Session:
    """Hosts of the cloud are updated, by the scripted steps of an update."""
    context = cloud.session.context
    context.extras[installers.UPDATING] = True
    monkeypatch.setattr(update, "restore", lambda _, host: cloud.undone.append(host.name))
    steps = [scripted(one, cloud) for name in NAMES for one in settled(name, update)]
    session = replace(cloud.session, plan=Plan.of(steps))
    plan = planned([host(one) for one in NAMES], WEB, way=Way.UPDATE, **decided)
    assert not plan.hosts[-1].last
    limits = context.settings.settle.model_copy(update=decided)
    assert updating.update(session, plan, limits, lambda *_: None).failed == {}
    return session


def test_an_update_goes_through_the_same_batches_and_the_last_host_needs_no_word(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.versions = dict.fromkeys(NAMES, 72)
    updated(cloud, monkeypatch, canary=1, batch=3)
    assert sorted(one for one in cloud.done if one.endswith("exchange")) == [
        f"{name}.update-exchange" for name in NAMES
    ]
    assert cloud.done.index("c1.update-open") < cloud.done.index("c2.update-bring")
    cloud.broken = {"c1": "update-exchange"}
    cloud.done = []
    with pytest.raises(StepError, match="but not c1: "):
        updated(cloud, monkeypatch, canary=1, batch=3, stop_after=1)
    assert not [one for one in cloud.done if one.startswith("c2")]


def test_the_version_before_is_back_though_no_host_of_the_old_release_is_left(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.versions = dict.fromkeys(NAMES, 72)
    session = updated(cloud, monkeypatch, canary=0, batch=4)
    updating.put_back(session, ["c2"], lambda *_: None)
    steps = ["home", "open", "proof", "exchange", "drain", "close", "bring"]
    home = "c2's servers come home"
    assert cloud.undone == ["c2", home, *(f"c2.update-{one}" for one in steps), "c2"]
