"""Servers leave a host before it is renewed and come home: refused, late, killed anywhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import api, login, side_by_side
from migrate.cloud.admission import Run
from migrate.cloud.api import Api
from migrate.computes import closing, draining, proof, service
from migrate.computes.draining import leave, move, note, timings, turns
from migrate.computes.estimates import Action
from migrate.computes.installers import in_place
from migrate.engine.cancellation import Cancellation
from migrate.errors import StepError, UnreachableError
from migrate.phases.plan import settled
from tests.unit.network import Answer, Killed
from tests.unit.nova import HOST, LATER, Connection, Nova, context

RULES = [
    {"metadata": "do=live", "do": "liveMigrate"},
    {"metadata": "do=cold", "do": "coldMigrate"},
    {"metadata": "do=stop", "do": "stopStart"},
    {"metadata": "do=ask", "do": "ask"},
]
STEPS = ("close", "drain", "renew", "open", "home")


class Lab:
    """A nova, and host c1 of it, which is brought over and back."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **decided: Any) -> None:
        self.nova = Nova()
        self.renewed: set[str] = set()
        self.context = context(folder, **{"rules": RULES, **decided})
        self.host = self.context.source.computes[0]
        for module, name, value in (
            (login, "api", lambda *_: Api(Connection(self.nova))),
            (in_place, "renewed", lambda _, host: host.name in self.renewed),
            (proof, "look", lambda *_: {"at": "now"}),
            (move, "PAUSE", 0.0),
            (turns, "LOOK_SECONDS", 0.01),
            (api, "PAUSES", ()),
        ):
            monkeypatch.setattr(module, name, value)
        self.begin()

    def begin(self) -> None:
        """A new run of the command, which nobody has stopped."""
        self.cancellation = Cancellation()
        draining.share(self.context, self.cancellation)

    def over(self, *only: str) -> None:
        """The steps of c1 in which servers have a part, and what stands for the others."""
        steps = {one.id: one for one in settled("c1", in_place)}
        for name in only or STEPS:
            if name == "renew":
                self.renewed.add("c1")
            elif name == "open":
                service.reopen(login.api(self.context), "c1")
                proof.forget(self.context, self.host)
            elif not (step := steps[f"c1.{name}"]).done(self.context):
                step.apply(self.context)
                assert step.done(self.context), step.id

    def back(self) -> list[str]:
        """As `renew.put_back` does it, without the steps that need a host."""
        self.renewed.discard("c1")
        away = draining.bring(self.context, self.host)
        draining.forget(self.context, self.host)
        closing.forget(self.context, self.host)
        closing.reopen(self.context, self.host)
        return away

    def asked(self, what: str) -> list[str]:
        return [one.split()[1] for one in self.nova.events if one.split()[0] == what]


Make = Callable[..., Lab]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(**decided: Any) -> Lab:
        lab = Lab(tmp_path, monkeypatch, **decided)
        for kind in ("live", "cold", "stop"):
            lab.nova.add(kind, do=kind)
        lab.nova.add("plain")
        lab.nova.add("off", status="SHUTOFF", do="live")
        return lab

    return made


def test_each_server_is_treated_as_the_stack_file_says(make: Make) -> None:
    lab = make()
    lab.over("close", "drain")
    here = {"plain": "c1", "off": "c1", "stop": "c1"}
    assert lab.nova.where == {**here, "live": "c2", "cold": "c2"}
    assert lab.nova.how == {
        **{"live": "ACTIVE", "cold": "ACTIVE", "stop": "SHUTOFF"},
        **{"plain": "ACTIVE", "off": "SHUTOFF"},
    }
    lab.over("renew", "open", "home")
    assert lab.nova.where == {**here, "live": "c2", "cold": "c2"}  # without `home` they stay
    assert lab.nova.how["stop"] == "ACTIVE"
    assert lab.nova.services["c1"]["status"] == "enabled"


def test_how_long_each_took_is_kept_with_what_nova_has_noted_of_it(make: Make) -> None:
    lab = make(home=True)
    lab.over()
    moves = timings.kept(lab.context, "c1")["moves"]
    told = [(one["server"], one["how"], one["from"], one["to"], one["wrong"]) for one in moves]
    assert sorted(told) == [
        *(("cold", "cold", "c1", "c2", ""), ("cold", "cold", "c2", "c1", "")),
        *(("live", "live", "c1", "c2", ""), ("live", "live", "c2", "c1", "")),
        *(("stop", "start", "c1", "c1", ""), ("stop", "stop", "c1", "c1", "")),
    ]
    assert all(one["ended"] >= one["asked"] for one in moves)
    status = {one["how"]: one.get("migration", {}).get("status") for one in moves}
    assert status == {"live": "completed", "cold": "confirmed", "stop": None, "start": None}
    (live, _) = [one["migration"] for one in moves if one["how"] == "live"]
    assert live["updated_at"] == LATER


def test_what_a_killed_run_has_asked_for_has_ended_once_the_next_has_seen_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make(rules=RULES[:1])

    def killed(*_: object) -> None:
        if lab.asked("os-migrateLive"):
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(turns, "refuse_interrupted", killed)
        with pytest.raises(Killed):
            lab.over("close", "drain")
    (one,) = timings.kept(lab.context, "c1")["moves"]
    assert "ended" not in one
    lab.begin()
    lab.over("drain")
    (one,) = timings.kept(lab.context, "c1")["moves"]
    assert (one["server"], one["to"], one["migration"]["status"]) == ("live", "c2", "completed")
    assert one["ended"] > one["asked"]


def test_no_record_of_it_is_no_reason_to_leave_a_server_where_it_is(make: Make) -> None:
    lab = make(rules=RULES[:1])
    lab.nova.records = False
    kept = lab.context.home / "moves-c1.json"
    kept.write_text("{")
    lab.over("close", "drain")
    assert lab.nova.where["live"] == "c2"
    kept.unlink()
    lab.nova.add("another", do="live")
    lab.over("drain")
    (one,) = timings.kept(lab.context, "c1")["moves"]
    assert (one["server"], one["to"], one["migration"]) == ("another", "c2", {})


def test_a_move_that_failed_says_why(make: Make) -> None:
    lab = make(rules=RULES[:1])
    lab.nova.script["live"] = "error"
    with pytest.raises(StepError, match="libvirt said no"):
        lab.over("close", "drain")
    (one,) = timings.kept(lab.context, "c1")["moves"]
    assert (one["to"], one["migration"]["status"]) == ("c1", "error")
    assert "libvirt said no" in one["wrong"]


def test_who_stays_where_it_is_costs_no_more_than_one_look(make: Make) -> None:
    lab = make()
    for number in range(9):
        lab.nova.add(f"more-{number}", do="live")
    lab.nova.add("stay", do="stop")
    lab.over("close", "drain", "renew", "open")
    lab.nova.servers["stay"]["status"] = "ACTIVE"  # by its user
    lab.nova.looks.clear()
    lab.over("home")
    moved = [one for one in lab.nova.looks if one.startswith("more-")]
    assert sorted(moved) == [f"more-{number}" for number in range(9)]
    assert draining.at_home(lab.context, lab.host)


def test_they_come_home_where_the_policy_says_so(make: Make) -> None:
    lab = make(rules=[*RULES[1:], {**RULES[0], "home": False}], home=True)
    lab.over()
    assert lab.nova.where == {**dict.fromkeys(lab.nova.servers, "c1"), "live": "c2"}
    assert lab.nova.how["cold"] == "ACTIVE"
    assert draining.at_home(lab.context, lab.host)


def test_again_asks_for_nothing(make: Make) -> None:
    lab = make(home=True)
    lab.over()
    asked = len(lab.nova.events)
    lab.over("drain", "home")
    assert len(lab.nova.events) == asked


def test_a_host_without_such_servers_is_drained_before_anything_is_asked(make: Make) -> None:
    lab = make(rules=())
    lab.over("close", "drain")
    assert lab.nova.events == ["status c1"]
    assert draining.at_home(lab.context, lab.host)


@pytest.mark.parametrize(
    ("becomes", "told"),
    [("error", "libvirt said no"), ("nowhere", "no valid host")],
)
def test_one_that_cannot_leave_is_named_and_the_host_is_as_it_was(
    make: Make, becomes: str, told: str
) -> None:
    lab = make(home=True)
    lab.nova.script["live"] = becomes
    with pytest.raises(StepError, match=rf"c1 stays as it was.*the live \(live\): {told}"):
        lab.over("close", "drain")
    assert lab.nova.where == dict.fromkeys(lab.nova.servers, "c1")
    assert lab.nova.how["stop"] == lab.nova.how["cold"] == "ACTIVE"
    assert lab.nova.services["c1"]["status"] == "enabled"
    assert draining.at_home(lab.context, lab.host)
    assert not proof.noted(lab.context, lab.host)


def test_what_a_host_that_died_has_left_in_neutron_is_named_where_nova_finds_no_place(
    make: Make,
) -> None:
    lab = make()
    lab.nova.script["live"] = "nowhere"
    lab.nova.bindings["live"] = {"c1": "ACTIVE", "c2": "INACTIVE"}
    told = r"no valid host; .*DELETE /v2\.0/ports/live-port/bindings/c2"
    with pytest.raises(StepError, match=told):
        lab.over("close", "drain")
    lab.nova.script["live"] = "nowhere"
    lab.nova.bindings["live"] = {"c1": "ACTIVE"}
    with pytest.raises(StepError) as failed:
        lab.over("close", "drain")
    assert "binding" not in str(failed.value)


def test_without_home_what_was_moved_stays_alive_where_it_is(make: Make) -> None:
    lab = make(concurrency={"perHost": 1})
    lab.nova.add("a-first", do="live")
    lab.nova.script["live"] = "error"
    with pytest.raises(StepError, match="libvirt said no"):
        lab.over("close", "drain")
    assert (lab.nova.where["a-first"], lab.nova.how["a-first"]) == ("c2", "ACTIVE")
    assert lab.nova.where["cold"] == "c2"
    assert lab.asked("os-stop") == []  # nobody begins once one has failed
    assert lab.nova.services["c1"]["status"] == "enabled"


def test_a_cold_migration_that_ends_in_error_is_named(make: Make) -> None:
    lab = make()
    lab.nova.script["cold"] = "error"
    with pytest.raises(StepError, match="in ERROR: scp failed"):
        lab.over("close", "drain")
    assert lab.nova.services["c1"]["status"] == "enabled"


def patient(lab: Lab, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = lab.context.settings.settle.model_copy(update={"timeout_seconds": seconds})
    changed: Any = lab.context.settings
    changed.__dict__["settle"] = settle
    monkeypatch.setattr(move, "GRACE_SECONDS", seconds)


def test_one_that_takes_too_long_is_aborted_and_runs_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make()
    patient(lab, 0.1, monkeypatch)
    lab.nova.servers = {"live": lab.nova.servers["live"]}  # others may be slower than that
    lab.nova.script["live"] = "hangs"
    with pytest.raises(StepError, match="not moved after 0 s, and aborted"):
        lab.over("close", "drain")
    assert (lab.nova.where["live"], lab.nova.how["live"]) == ("c1", "ACTIVE")
    assert lab.asked("os-migrateLive") == lab.asked("DELETE") == ["live"]


def test_one_that_nova_only_prepares_as_its_time_is_over_is_aborted_once_it_can_be(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make()
    patient(lab, 0.1, monkeypatch)
    lab.nova.servers = {"live": lab.nova.servers["live"]}
    lab.nova.script["live"] = "late"
    with pytest.raises(StepError, match="not moved after 0 s, and aborted"):
        lab.over("close", "drain")
    assert (lab.nova.where["live"], lab.nova.how["live"]) == ("c1", "ACTIVE")
    assert lab.asked("DELETE") == ["live"]


@pytest.mark.parametrize(("becomes", "at"), [("slow", "c2"), ("hangs", "c1"), ("late", "c1")])
def test_one_that_takes_too_long_is_completed_where_the_stack_file_says_so(
    make: Make, monkeypatch: pytest.MonkeyPatch, becomes: str, at: str
) -> None:
    """Where nova cannot, it is aborted as without that word."""
    lab = make(late="complete")
    patient(lab, 0.1, monkeypatch)
    lab.nova.servers = {"live": lab.nova.servers["live"]}
    lab.nova.script["live"] = becomes
    with suppress(StepError) if at == "c1" else nullcontext():
        lab.over("close", "drain")
    assert (lab.nova.where["live"], lab.nova.how["live"]) == (at, "ACTIVE")
    assert lab.asked("DELETE") == ([] if at == "c2" else ["live"])
    if becomes != "late":
        assert lab.asked("force_complete") == ["live"]


def test_one_that_cannot_even_be_aborted_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make()
    patient(lab, 0.1, monkeypatch)
    lab.nova.servers = {"live": lab.nova.servers["live"]}  # others may be slower than that
    lab.nova.script["live"] = "stuck"
    with pytest.raises(StepError, match="still in the middle of something after 0 s and an abort"):
        lab.over("close", "drain")
    assert lab.nova.services["c1"]["status"] == "enabled"


@pytest.mark.parametrize("does", ["hangs", "stuck"])
def test_of_a_cold_migration_that_takes_too_long_is_told_what_nova_says(
    make: Make, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    """It is off meanwhile, and nothing ends it."""
    lab = make()
    patient(lab, 0.1, monkeypatch)
    lab.nova.servers = {"cold": lab.nova.servers["cold"]}
    lab.nova.script["cold"] = does
    told = r"in the middle of something after 0 s \(nova has it RESIZE, at it, on c1\)"
    with pytest.raises(StepError, match=told) as raised:
        lab.over("close", "drain")
    assert "abort" not in str(raised.value)
    assert "alive" not in str(raised.value)


def test_a_host_that_dies_meanwhile_is_named_and_who_has_left_lives(make: Make) -> None:
    lab = make(home=True, concurrency={"perHost": 1})
    lab.nova.add("a-first", do="live")
    lab.nova.script["live"] = "dies"
    with pytest.raises(StepError, match=r"the live \(live\): nova-compute on c1 is down") as told:
        lab.over("close", "drain")
    assert "Not home again: the a-first" in str(told.value)
    assert "is down (nova has it ACTIVE, on c2)" in str(told.value)
    assert (lab.nova.where["a-first"], lab.nova.how["a-first"]) == ("c2", "ACTIVE")
    assert not draining.at_home(lab.context, lab.host)  # the same again, or the way back, tries


def test_a_host_that_does_not_answer_any_more_hides_not_why_servers_could_not_leave(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make()
    lab.nova.script["live"] = "dies"
    gone = UnreachableError("c1 does not answer", "c1")

    def read(_: object) -> dict[str, Any]:
        if lab.nova.services["c1"]["state"] == "down":
            raise gone
        return {}

    monkeypatch.setattr(note, "read", read)
    with pytest.raises(UnreachableError) as told:
        lab.over("close", "drain")
    assert "the live (live): nova-compute on c1 is down" in told.value.__notes__[0]


def test_who_must_be_asked_for_is_not_touched(make: Make) -> None:
    """It came since the plan was made, which refuses it."""
    lab = make()
    lab.nova.add("new", do="ask")
    with pytest.raises(StepError, match=r"the new.*the policy says ask"):
        lab.over("close", "drain")
    assert "new" not in {one.split()[1] for one in lab.nova.events}


def test_what_its_user_is_doing_is_waited_for(make: Make) -> None:
    lab = make()
    lab.nova._os_stop(lab.nova.servers["live"], {})
    rebooted = lab.nova.servers["stop"]
    lab.nova._begin(rebooted, "REBOOT", lambda: lab.nova._rest(rebooted, status="ACTIVE"))
    lab.over("close", "drain")
    assert (lab.nova.where["live"], lab.nova.how["live"]) == ("c1", "SHUTOFF")
    assert lab.nova.how["stop"] == "SHUTOFF"


def test_a_server_that_is_deleted_meanwhile_holds_nothing_up(make: Make) -> None:
    lab = make(home=True)
    lab.over("close", "drain", "renew", "open")
    del lab.nova.servers["live"]
    lab.over("home")
    assert draining.at_home(lab.context, lab.host)


def test_a_resize_of_a_user_is_not_confirmed(make: Make) -> None:
    lab = make(home=True)
    lab.over("close", "drain")
    row = lab.nova._row(lab.nova.servers["live"], "resize", "c3")
    row["status"] = "finished"
    lab.nova._rest(lab.nova.servers["live"], status="VERIFY_RESIZE", host="c3")
    lab.over("drain", "renew", "open", "home")
    assert lab.nova.how["live"] == "VERIFY_RESIZE"
    assert lab.asked("confirmResize").count("live") == 0


@pytest.mark.parametrize(("per_host", "in_all", "most"), [(2, 10, 2), (9, 1, 1)])
def test_only_so_many_are_on_their_way_at_once(
    make: Make, monkeypatch: pytest.MonkeyPatch, per_host: int, in_all: int, most: int
) -> None:
    lab = make(concurrency={"perHost": per_host, "inAll": in_all})
    monkeypatch.setattr(move, "PAUSE", 0.005)
    for number in range(6):
        lab.nova.add(f"more-{number}", do="live")
    lab.over("close", "drain")
    assert lab.nova.most == most


def test_a_host_that_others_send_servers_to_takes_as_many_at_once_as_it_may_send() -> None:
    """Hosts are emptied onto c3 and c4: each is an end of as many moves as one host may have."""
    shared = turns.Turns(1, 10, Cancellation())
    on: Counter[str] = Counter()
    seen: list[int] = []

    def go(ends: tuple[str, str]) -> None:
        with shared.one(*ends) as ours:
            assert ours
            on.update(ends)
            time.sleep(0.01)
            seen.append(max(on.values()))
            on.subtract(ends)

    ways = [(one, to) for to in ("c3", "c4", "c3") for one in ("c1", "c2", "c5")]
    side_by_side.each(go, ways, len(ways))
    assert seen == [1] * len(ways)


def test_servers_go_where_the_plan_would_have_them(make: Make) -> None:
    lab = make()
    places = {("c1", "live"): "c3", ("c1", "cold"): "c3", ("c9", "live"): "c2"}
    draining.share(lab.context, lab.cancellation, places)
    lab.over("close", "drain")
    assert (lab.nova.where["live"], lab.nova.where["cold"]) == ("c3", "c3")
    assert lab.asked("os-migrateLive") == ["live"]


@pytest.mark.parametrize("refuses", ["at once", "later"])
def test_who_cannot_go_where_the_plan_would_have_it_goes_where_nova_finds_best(
    make: Make, refuses: str
) -> None:
    lab = make()
    draining.share(lab.context, lab.cancellation, {("c1", "live"): "c3"})
    lab.nova.services["c3"]["status"] = "disabled"  # since the plan was made
    answering = lab.nova.request

    def refusing(url: str, method: str, **more: Any) -> Any:
        asked = (more.get("json") or {}).get("os-migrateLive")
        if asked and asked["host"] == "c3":
            return Answer(400, {"badRequest": {"message": "c3 is disabled"}})
        return answering(url, method, **more)

    if refuses == "at once":
        lab.nova.request = refusing  # type: ignore[method-assign]
    lab.over("close", "drain")
    assert lab.nova.where["live"] == "c2"
    (told,) = (one for one in timings.kept(lab.context, "c1")["moves"] if one["server"] == "live")
    assert (told["to"], told["wrong"]) == ("c2", "")


def test_who_is_to_be_stopped_since_the_plan_was_made_is_not_sent_anywhere(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make()
    draining.share(lab.context, lab.cancellation, {("c1", "stop"): "c3"})
    asked: list[Any] = []
    answering = lab.nova.request

    def refusing(url: str, method: str, **more: Any) -> Any:
        body = more.get("json") or {}
        if "os-stop" in body:
            asked.append(body)
            return Answer(400, {})
        return answering(url, method, **more)

    monkeypatch.setattr(lab.nova, "request", refusing)
    with pytest.raises(StepError, match="the stop"):
        lab.over("close", "drain")
    assert asked == [{"os-stop": None}]


def test_one_on_a_host_of_which_nova_has_no_record_is_named_and_its_host_is_as_it_was(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record was deleted while servers left it."""
    lab = make(home=True)
    monkeypatch.setattr(move, "GRACE_SECONDS", 0.1)
    answering = lab.nova.request

    def without(url: str, method: str, **more: Any) -> Any:
        looked = method == "GET" and url.endswith("os-services")
        if looked and len(lab.asked("os-migrateLive")) == 1 and not gone:
            gone.append(1)
            return Answer(200, {"services": []})
        return answering(url, method, **more)

    gone: list[int] = []
    monkeypatch.setattr(lab.nova, "request", without)
    with pytest.raises(StepError, match="nova has 0 records of nova-compute on c1"):
        lab.over("close", "drain")
    assert lab.nova.services["c1"]["status"] == "enabled"


def test_a_stop_lets_what_is_on_its_way_arrive_and_begins_no_more(make: Make) -> None:
    lab = make(concurrency={"perHost": 1})
    answering = lab.nova.request

    def stopping(url: str, method: str, **more: Any) -> Any:
        if method == "POST":
            lab.cancellation.request("stopped by the operator")
        return answering(url, method, **more)

    lab.nova.request = stopping  # type: ignore[method-assign]
    with pytest.raises(StepError, match="stopped by the operator: 2 servers of c1 did not have"):
        lab.over("close", "drain")
    assert lab.nova.where["cold"] == "c2"
    assert lab.nova.how["cold"] == "ACTIVE"  # confirmed, too
    assert lab.nova.services["c1"]["status"] == "disabled"
    lab.nova.request = answering  # type: ignore[method-assign]
    lab.begin()
    lab.over()
    assert lab.nova.where["live"] == "c2"


def test_a_nova_that_is_silent_for_a_while_is_asked_again(make: Make) -> None:
    lab = make()
    silent = iter([True, True])
    answering = lab.nova.request

    def halting(url: str, method: str, **more: Any) -> Any:
        lab.nova.answers = not (method == "GET" and "servers/live" in url and next(silent, False))
        return answering(url, method, **more)

    lab.nova.request = halting  # type: ignore[method-assign]
    lab.over("close", "drain")
    assert lab.nova.where["live"] == "c2"


@pytest.mark.parametrize("status", [500, 429])
def test_a_nova_that_breaks_at_one_look_is_asked_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    lab = make()
    breaks = iter([True])
    answering = lab.nova.request

    def breaking(url: str, method: str, **more: Any) -> Any:
        if method == "GET" and url.endswith("servers/live") and next(breaks, False):
            return Answer(status, {})
        return answering(url, method, **more)

    monkeypatch.setattr(lab.nova, "request", breaking)
    lab.over("close", "drain")
    assert lab.nova.where["live"] == "c2"


def test_what_nova_begins_though_it_did_not_answer_is_waited_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy gives up first: the server rests at the next looks, and moves then."""
    lab = make()
    lab.nova.servers = {"live": lab.nova.servers["live"]}
    asked: list[dict[str, Any]] = []
    answering = lab.nova.request

    def late(url: str, method: str, **more: Any) -> Any:
        if method == "POST":
            asked.append({"url": url, "method": method, **more})
            return Answer(504, {})
        if url.endswith("servers/live") and asked and len(lab.nova.looks) > 4:
            answering(**asked.pop())
        return answering(url, method, **more)

    monkeypatch.setattr(lab.nova, "request", late)
    lab.over("close", "drain")
    assert (lab.nova.where["live"], lab.asked("os-migrateLive")) == ("c2", ["live"])


def test_a_server_whose_cell_is_down_is_not_taken_for_gone(make: Make) -> None:
    lab = make(home=True)
    lab.over("close", "drain", "renew", "open")
    whole = lab.nova.servers["live"]
    lab.nova.servers["live"] = {"id": "live", "status": "UNKNOWN", "tenant_id": "p", HOST: ""}
    with pytest.raises(StepError, match="the cell of 1 servers is down, of live among them"):
        lab.over("home")
    lab.nova.servers["live"] = whole
    lab.over("home")
    as_wanted(lab)


def test_where_somebody_else_has_closed_the_host_nobody_is_sent_home(make: Make) -> None:
    lab = make(home=True)
    lab.nova.services["c1"] |= {"status": "disabled", "disabled_reason": "its fan is loud"}
    lab.over()
    assert lab.nova.where["live"] == "c2"
    assert lab.nova.how["stop"] == "ACTIVE"
    assert lab.nova.services["c1"]["disabled_reason"] == "its fan is loud"


def test_the_way_back_brings_them_home_to_the_old_release(make: Make) -> None:
    lab = make(home=True)
    lab.over("close", "drain", "renew")
    assert lab.back() == []
    assert lab.nova.where == dict.fromkeys(lab.nova.servers, "c1")
    assert lab.nova.how["stop"] == "ACTIVE"
    assert lab.nova.services["c1"]["status"] == "enabled"


def test_who_does_not_come_home_is_named_and_tried_again(make: Make) -> None:
    lab = make(home=True)
    lab.over("close", "drain", "renew", "open")
    lab.nova.script["live"] = "error"
    with pytest.raises(StepError, match=r"not home: the live \(live\): .*home: false"):
        lab.over("home")
    assert lab.nova.how["stop"] == "ACTIVE"
    assert lab.nova.where["cold"] == "c1"
    lab.over("home")
    assert lab.nova.where["live"] == "c1"


def whole(make: Make, folder: Path) -> int:
    lab = make(home=True)
    lab.over()
    return len(lab.nova.events)


def as_wanted(lab: Lab) -> None:
    assert lab.nova.where == dict.fromkeys(lab.nova.servers, "c1")
    assert lab.nova.how == {**dict.fromkeys(lab.nova.servers, "ACTIVE"), "off": "SHUTOFF"}
    assert lab.nova.services["c1"]["status"] == "enabled"
    assert draining.at_home(lab.context, lab.host)


def killed(lab: Lab, number: int, act: Callable[[], object]) -> None:
    """*act* dies at nova's call *number*; a new run may begin."""
    lab.nova.dies_at = number
    with pytest.raises(Killed):
        act()
    lab.nova.dies_at = None
    lab.begin()


def test_killed_anywhere_on_the_way_over_it_goes_on(make: Make, tmp_path: Path) -> None:
    for number in range(whole(make, tmp_path)):
        lab = make(home=True)
        killed(lab, number, lab.over)
        lab.over()
        as_wanted(lab)
        # there and home once each, and nothing twice
        assert sorted(lab.asked("os-migrateLive")) == ["live", "live"], number
        assert sorted(lab.asked("migrate")) == ["cold", "cold"], number
        assert lab.asked("os-stop") == lab.asked("os-start") == ["stop"], number


def test_killed_anywhere_on_the_way_over_it_goes_back(make: Make, tmp_path: Path) -> None:
    for number in range(whole(make, tmp_path)):
        lab = make(home=True)
        killed(lab, number, lab.over)
        assert lab.back() == []
        as_wanted(lab)


def test_killed_anywhere_on_the_way_back_it_goes_on(make: Make) -> None:
    def away() -> Lab:
        lab = make(home=True)
        lab.over("close", "drain", "renew")
        return lab

    lab = away()
    before = len(lab.nova.events)
    lab.back()
    for number in range(before, len(lab.nova.events)):
        lab = away()
        killed(lab, number, lab.back)
        assert lab.back() == []
        as_wanted(lab)


def test_nobody_waits_once_what_runs_is_interrupted(make: Make) -> None:
    lab = make()
    run = Run()
    run.interrupted.set()
    lab.context = replace(lab.context, run=run)
    draining.share(lab.context, lab.cancellation)
    with pytest.raises(StepError, match="interrupted; nova goes on"):
        lab.over("close", "drain")


def test_who_runs_elsewhere_has_left_once_its_old_host_has_let_go_of_it(make: Make) -> None:
    """Nova notes the new host first; the nova-compute that goes next tidies up after that."""
    lab = make()
    lab.nova.servers = {"live": lab.nova.servers["live"]}
    lab.over("close")
    {one.id: one for one in settled("c1", in_place)}["c1.drain"].apply(lab.context)
    (row,) = [one for one in lab.nova.migrations if one["instance_uuid"] == "live"]
    assert (lab.nova.where["live"], row["status"]) == ("c2", "completed")


def test_a_migration_that_ended_with_its_host_is_not_waited_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nova leaves its record as it was, for ever."""
    lab = make(home=True)
    monkeypatch.setattr(move, "GRACE_SECONDS", 0.1)
    note.add(lab.host, "live", Action.LIVE)
    row = lab.nova._row(lab.nova.servers["live"], "live-migration", "c2")
    assert draining.bring(lab.context, lab.host) == []
    assert draining.at_home(lab.context, lab.host)
    assert (row["status"], lab.asked("DELETE")) == ("running", [])


def test_who_is_back_is_its_user_s_again(make: Make) -> None:
    """One cannot come: the others are not started once more when it is tried again."""
    lab = make(home=True)
    lab.over("close", "drain", "renew", "open")
    lab.nova.script["live"] = "error"
    with pytest.raises(StepError, match="live"):
        lab.over("home")
    assert lab.nova.how["stop"] == "ACTIVE"
    lab.nova.servers["stop"]["status"] = "SHUTOFF"
    lab.over("home")
    assert (lab.nova.how["stop"], lab.nova.where["live"]) == ("SHUTOFF", "c1")
    assert draining.at_home(lab.context, lab.host)


def test_one_that_broke_elsewhere_and_was_to_stay_holds_nothing_up(make: Make) -> None:
    lab = make()
    lab.over("close", "drain", "renew", "open")
    lab.nova.servers["live"]["status"] = "ERROR"
    lab.over("home")
    assert draining.at_home(lab.context, lab.host)


def test_another_desk_knows_who_was_sent_away(make: Make, tmp_path: Path) -> None:
    """What is kept of it stands on the host, whichever state directory a run is of."""
    lab = make(home=True)
    lab.over("close", "drain", "renew")
    desk = tmp_path / "another"
    desk.mkdir()
    lab.context = replace(lab.context, home=desk)
    assert not draining.at_home(lab.context, lab.host)
    lab.over("open", "home")
    as_wanted(lab)


def test_a_host_that_is_dead_keeps_nobody_from_naming_those_of_others(make: Make) -> None:
    lab = make()
    lab.over("close", "drain")
    lab.context.source.computes[1].dead = True  # type: ignore[attr-defined]
    assert [one["id"] for one in draining.left_off(lab.context)] == ["stop"]


def test_who_was_stopped_for_us_is_named_on_the_way_back_of_the_whole(make: Make) -> None:
    lab = make()
    lab.over("close", "drain")
    (told,) = draining.left_off(lab.context)
    assert (told["id"], told["host"], told["why"]) == ("stop", "c1", "stopped")
    assert "openstack server reboot --hard stop" in told["what"]


def test_who_was_stopped_for_us_is_started_on_the_way_back_of_the_whole(make: Make) -> None:
    lab = make()
    lab.over("close", "drain")
    said: list[str] = []
    draining.start_again(lab.context, lambda _, text: said.append(text))
    assert (said, lab.nova.how["stop"], lab.nova.where["live"]) == ([], "ACTIVE", "c2")
    assert draining.left_off(lab.context) == []
    asked = len(lab.nova.events)
    lab.nova.servers["stop"]["status"] = "SHUTOFF"  # by its user, since
    draining.start_again(lab.context, lambda _, text: said.append(text))
    assert len(lab.nova.events) == asked


def test_who_cannot_be_started_is_named_with_what_to_do_and_holds_nothing_up(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make()
    lab.over("close", "drain")
    lab.nova.services["c1"]["state"] = "down"
    said: list[str] = []
    draining.start_again(lab.context, lambda _, text: said.append(text))
    assert "the stop (stop): nova-compute on c1 is down" in said[0]
    assert "server stop of c1: stopped by settle" in said[1]

    def refused(*_: Any) -> Any:
        raise StepError("nobody answers")

    monkeypatch.setattr(login, "api", refused)
    draining.start_again(lab.context, lambda _, text: said.append(text))
    assert "`openstack server reboot --hard stop`" in said[-1]


def snapshot(lab: Lab, looks: int) -> None:
    """A user has it made of a server that stays, until *looks* later."""
    lab.nova.servers["plain"]["OS-EXT-STS:task_state"] = "image_uploading"
    lab.nova.ends["plain"] = (looks, lambda: lab.nova._rest(lab.nova.servers["plain"]))


def test_who_stays_is_at_rest_before_what_runs_it_is_restarted(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leave, "REST_PAUSE", 0.0)
    lab = make(rules=[])
    lab.over("close")
    snapshot(lab, looks=9)
    lab.over("drain")
    assert lab.nova.servers["plain"]["OS-EXT-STS:task_state"] is None
    assert lab.asked("os-migrateLive") == []


def test_where_a_server_comes_to_no_rest_its_host_is_as_it_was(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leave, "REST_PAUSE", 0.0)
    lab = make(rules=[])
    settings = lab.context.settings
    hurried = settings.settle.model_copy(update={"timeout_seconds": 0})
    lab.context = replace(lab.context, settings=settings.model_copy(update={"settle": hurried}))
    lab.begin()
    lab.over("close")
    snapshot(lab, looks=10**9)
    told = "c1 stays as it was, the plain is in the middle of an operation after 0 s"
    with pytest.raises(StepError, match=told):
        lab.over("drain")
    assert lab.nova.services["c1"]["status"] == "enabled"
    assert lab.asked("DELETE") == []  # what its user has begun is left alone


def test_a_stop_is_heeded_while_it_is_waited_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make(rules=[])
    lab.over("close")
    snapshot(lab, looks=10**9)
    lab.cancellation.request("enough")
    with pytest.raises(StepError, match="stopped while servers there were at work"):
        lab.over("drain")


def test_who_is_on_the_way_onto_a_host_arrives_before_it_is_renewed(make: Make) -> None:
    """Another host of its batch has sent it there while this one was open."""
    lab = make(rules=[])
    lab.nova.add("web", host="c2")
    lab.nova._os_migratelive(lab.nova.servers["web"], {"host": "c1"})
    lab.nova.ends["web"] = (12, lab.nova.ends["web"][1])
    lab.over("close", "drain")
    assert lab.nova.where["web"] == "c1"
    assert not [one for one in lab.nova.migrations if one["status"] == "running"]
    assert lab.asked("os-migrateLive") == []


def test_a_move_that_ended_with_its_host_is_not_waited_for(make: Make) -> None:
    lab = make(rules=[])
    lab.nova.add("web", host="c2")
    row = lab.nova._row(lab.nova.servers["web"], "live-migration", "c1")
    assert row["status"] == "running"  # for ever
    lab.over("close", "drain")
    assert lab.nova.where["web"] == "c2"
