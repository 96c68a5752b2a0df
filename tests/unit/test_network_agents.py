"""Network agents come over and go back, in a cloud where agents do at once what they are told."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.checks import network_hosts
from migrate.cloud import Context, login
from migrate.cloud.api import Api, ApiError
from migrate.computes import network
from migrate.computes.network import assignment, dhcp, facts, handover, reading, refusals, timings
from migrate.computes.network.facts import Agent, Facts, Router
from migrate.engine.finding import Severity
from migrate.engine.plan import Plan
from migrate.errors import PreconditionError, SettingsError, StepError
from migrate.phases import settle
from migrate.services import RECIPES
from tests.checked import check_of
from tests.unit import fakes
from tests.unit.network import DHCP, L3, NEW, NEW2, OLD, Killed, Machine, World, context

TOLD = ("stop", "clear", "start", "freeze", "thaw", "arm", "disarm")
STEPS = list(network.steps(RECIPES))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        *((assignment, "PAUSE"), (reading, "ALIVE_PAUSE"), (dhcp, "PAUSE")),
        (handover, "OVERLAP_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.0)
    for module, name in (
        *((assignment, "SECONDS"), (reading, "ALIVE_SECONDS"), (dhcp, "SERVED_SECONDS")),
        (handover, "BUILD_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 5.0)


def over(world: World, home: Path) -> Context:
    """All steps, each asked before and after."""
    cloud = context(world, home)
    for step in STEPS:
        if not step.done(cloud):
            step.apply(cloud)
        assert step.done(cloud), step.id
    return cloud


def back(world: World, home: Path) -> None:
    cloud = context(world, home)
    for step in reversed(STEPS):
        assert step.revert
        step.revert(cloud)


def refuse_endless_rest(world: World) -> None:
    """A timer is armed for each agent that rests where it carries something."""
    for host in world.hosts.values():
        rests = set(host.frozen)
        if world.held.get(f"{host.name} {L3}") and L3 in host.enabled - host.active:
            rests.add(L3)
        assert rests <= set(host.resumes), (len(world.events), host.name)


def carried(world: World, *hosts: str) -> set[str]:
    return {one for agent, kept in world.held.items() if agent.split()[0] in hosts for one in kept}


def test_each_step_is_done_when_it_was_and_not_before_nor_when_undone(tmp_path: Path) -> None:
    world = World()
    cloud = context(world, tmp_path)
    for step in Plan.of(STEPS):
        assert not step.done(cloud), step.id
        step.apply(cloud)
        assert step.done(cloud), step.id
    for step in reversed(STEPS):
        assert step.revert
        step.revert(cloud)
        assert not step.done(cloud), step.id


def test_there_and_back_is_as_it_was(tmp_path: Path) -> None:
    world = World(routers=6)
    before = world.state
    over(world, tmp_path)
    old = world.hosts[OLD]
    assert carried(world, OLD) == set()
    assert carried(world, NEW, NEW2) == {*world.networks, *world.routers}
    assert (old.spaces, old.active, old.enabled) == ({}, set(), set())
    assert old.masked == set(facts.KNOWN)
    back(world, tmp_path)
    assert world.state == before
    assert {host for host, _ in world.agents.values()} == {OLD}


def test_no_router_is_dark_at_any_step_there_or_back(tmp_path: Path) -> None:
    world = World(routers=6)
    over(world, tmp_path)
    back(world, tmp_path)
    assert world.dark == []


@pytest.mark.parametrize("dies", [False, True])
def test_going_back_the_old_switch_s_agent_is_heard_before_anything_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Also by the run after one that was killed as it waited."""
    world = World()
    over(world, tmp_path)
    tell, change, asked, given = world.agent, world.changed, list[str](), list[int]()

    def told(id_: str) -> dict[str, Any]:
        if id_ != f"{OLD} {facts.SWITCH}" or facts.SWITCH not in world.hosts[OLD].active:
            return tell(id_)
        asked.append(id_)
        return tell(id_) | {"alive": len(asked) > 50}

    def changed(*what: str) -> Any:
        given.append(len(asked))
        return change(*what)

    monkeypatch.setattr(world, "agent", told)
    monkeypatch.setattr(world, "changed", changed)
    if dies:
        with monkeypatch.context() as killed:
            killed.setattr(reading, "await_agents", _dies)
            with pytest.raises(Killed):
                back(world, tmp_path)
    back(world, tmp_path)
    assert given
    assert min(given) > 50


def _dies(*_: Any) -> None:
    raise Killed


def test_a_network_is_taken_then_given_then_served_before_the_next(tmp_path: Path) -> None:
    world = World()
    over(world, tmp_path)
    moves = [one.split() for one in world.events if DHCP in one and one[0] in "DP"]
    assert [(what, name) for what, name, *_ in moves] == [
        *(("DELETE", "bare"), ("POST", "bare"), ("DELETE", "n1"), ("POST", "n1")),
        *(("DELETE", "n2"), ("POST", "n2")),
    ]
    assert world.ports[0]["fixed_ips"] == [{"ip_address": "10.7.0.2"}]
    assert {host for _, _, host, _ in moves if host != OLD} == {NEW, NEW2}  # spread


def test_the_old_agent_rests_for_a_few_routers_and_runs_for_the_others(tmp_path: Path) -> None:
    world = World(routers=6)
    over(world, tmp_path)
    told = [
        one.removeprefix("old: ")
        for one in world.events
        if one.startswith("old: ") and one.split(".")[-1] in TOLD
    ]
    rest = ["agent_units.arm", "agent_units.stop", "agent_units.freeze"]
    on = ["agent_units.thaw", "systemd.start", "agent_units.disarm"]
    few = [*rest, *["namespaces.clear"] * 4, *on]
    last = [*rest, *["namespaces.clear"] * 2, "agent_units.thaw", "agent_units.disarm"]
    assert told == [*few, *last]


def test_agents_rest_as_long_as_a_router_is_built_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(handover, "BUILD_SECONDS", 0.1)
    world = World()
    cloud = context(world, tmp_path)
    STEPS[0].apply(cloud)
    monkeypatch.setattr(world, "build_router", lambda *_: time.sleep(0.05))
    with pytest.raises(StepError, match="the agents there rest for 60 min at most"):
        STEPS[2].apply(cloud)
    old = world.hosts[OLD]
    assert world.events.count("old: agent_units.arm") > 2
    assert old.frozen
    old.when_the_timer_acts()
    assert not old.frozen
    assert L3 in old.active


def test_what_each_router_took_is_kept(tmp_path: Path) -> None:
    cloud = over(World(), tmp_path)
    found = timings.kept(cloud)
    assert [(one["router"], one["old"]) for one in found] == [("r0", OLD), ("r1", OLD)]
    assert {(one["built"], one["cleared"]) for one in found} == {(0.5, 0.25)}


@pytest.fixture
def _two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "AT_ONCE", 2)


def test_agents_that_carried_nothing_are_stopped_once_and_the_same_again_is_done(
    tmp_path: Path,
) -> None:
    world = World(routers=0)
    world.held[f"{OLD} {DHCP}"].clear()
    world.networks.clear()
    world.hosts[OLD].spaces.clear()
    cloud = over(world, tmp_path)
    assert refusals.findings(cloud) == []
    back(world, tmp_path)
    world.hosts[OLD].active.discard(L3)  # by another's hand
    (one,) = refusals.findings(context(world, tmp_path))
    assert "neutron-l3-agent is down" in one.message


@pytest.mark.usefixtures("_two_at_once")
def test_killed_anywhere_on_the_way_over_it_goes_on(tmp_path: Path) -> None:
    whole = World(routers=3)
    over(whole, tmp_path)
    for number in range(len(whole.events)):
        world = World(routers=3)
        world.dies_at = number
        with pytest.raises(Killed):
            over(world, tmp_path)
        refuse_endless_rest(world)
        world.dies_at = None
        over(world, tmp_path)
        assert carried(world, OLD) == set()
        assert carried(world, NEW, NEW2) == {*world.networks, *world.routers}, number
        assert world.dark == [], number


@pytest.mark.in_set("settle-agents")
@pytest.mark.usefixtures("_two_at_once")
def test_killed_anywhere_on_the_way_over_it_goes_back(tmp_path: Path) -> None:
    whole = World(routers=3)
    before = whole.state
    over(whole, tmp_path)
    for number in range(len(whole.events)):
        world = World(routers=3)
        world.dies_at = number
        with pytest.raises(Killed):
            over(world, tmp_path)
        refuse_endless_rest(world)
        world.dies_at = None
        back(world, tmp_path)
        assert world.state == before, number
        assert world.dark == [], number


@pytest.mark.in_set("settle-agents")
@pytest.mark.usefixtures("_two_at_once")
def test_killed_anywhere_on_the_way_back_it_goes_on(tmp_path: Path) -> None:
    whole = World(routers=3)
    before = whole.state
    over(whole, tmp_path)
    there = len(whole.events)
    back(whole, tmp_path)
    for number in range(there, len(whole.events)):
        world = World(routers=3)
        over(world, tmp_path)
        world.dies_at = number
        with pytest.raises(Killed):
            back(world, tmp_path)
        refuse_endless_rest(world)
        world.dies_at = None
        back(world, tmp_path)
        assert world.state == before, number
        assert world.dark == [], number


@pytest.mark.parametrize("another", [OLD, NEW])
def test_what_neutron_gives_to_another_meanwhile_is_taken_again(
    tmp_path: Path, another: str
) -> None:
    world = World()
    cloud = context(world, tmp_path)
    STEPS[0].apply(cloud)
    world.schedules = [("n1", f"{another} {DHCP}")]
    STEPS[1].apply(cloud)
    holders = [agent for agent, kept in world.held.items() if "n1" in kept]
    assert holders == [f"{NEW2} {DHCP}"]


def test_what_users_delete_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    world = World()
    cloud = context(world, tmp_path)
    STEPS[0].apply(cloud)
    old = world.hosts[OLD]
    old.handed_over_note("networks", ["gone"])
    old.handed_over_note("routers", ["gone"])
    for step in STEPS[1:]:
        step.apply(cloud)
        assert step.done(cloud)


def test_what_was_made_on_the_target_since_comes_home_too(tmp_path: Path) -> None:
    world = World()
    over(world, tmp_path)
    world.networks["since"] = False
    world.held[f"{NEW} {DHCP}"].add("since")
    back(world, tmp_path)
    assert carried(world, OLD) == {*world.networks, *world.routers}


def test_undoing_what_never_was_asks_no_api(tmp_path: Path) -> None:
    world = World()
    cloud = context(world, tmp_path)
    del cloud.extras[reading.API]
    for step in reversed(STEPS):
        assert step.revert
        step.revert(cloud)


def test_a_dead_target_is_not_asked_to_give_back(tmp_path: Path) -> None:
    world = World()
    cloud = over(world, tmp_path)
    dead = Context(
        *(cloud.stack, cloud.settings, cloud.source, cloud.target.without([NEW, NEW2])),
        *(cloud.home, cloud.recipes),
    )
    for step in reversed(STEPS):
        assert step.revert
        step.revert(dead)
    assert world.hosts[OLD].notes == {}


def test_a_target_that_lives_and_cannot_be_asked_is_foreseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    refusals.foresee(context(world, tmp_path))  # nothing has come over: nobody is asked
    cloud = over(world, tmp_path)
    refusals.foresee(cloud)

    def dead(*_: Any, **__: Any) -> Any:
        raise ApiError("GET /agents", 500, "no database")

    monkeypatch.setattr(Api, "pages", dead)
    with pytest.raises(PreconditionError, match=r"no database\).*or switch new, new2 off"):
        refusals.foresee(cloud)
    off = replace(cloud, target=cloud.target.without([NEW, NEW2]))
    refusals.foresee(off)


def test_what_is_left_behind_stops_no_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrate.computes.network.stop.LEFT_SECONDS", 0.0)
    world = World()
    world.hosts[OLD].spaces["qdhcp-strange"] = {}
    with pytest.raises(StepError, match="there is name space qdhcp-strange"):
        over(world, tmp_path)
    assert world.hosts[OLD].masked == set()


def test_an_agent_that_nobody_hears_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ALIVE_SECONDS", 0.0)
    world = World()
    monkeypatch.setattr(world, "register", lambda _: None)
    with pytest.raises(StepError, match="has not heard neutron-openvswitch-agent on new, neut"):
        STEPS[0].apply(context(world, tmp_path))


def test_another_address_stops_before_the_next_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    cloud = context(world, tmp_path)
    STEPS[0].apply(cloud)
    build = world.build

    def another(*what: Any) -> None:
        build(*what)
        if what[-1] == "n1":
            world.ports[0]["fixed_ips"] = [{"ip_address": "10.7.0.9"}]

    monkeypatch.setattr(world, "build", another)
    with pytest.raises(StepError, match=r"had \['10.7.0.2'\] and has \['10.7.0.9'\]"):
        STEPS[1].apply(cloud)
    assert "n2" in world.held[f"{OLD} {DHCP}"]


def agent(binary: str, host: str = OLD, **more: Any) -> Agent:
    return Agent(id=f"{host} {binary}", binary=binary, host=host, **more)


def found(*agents: Agent, routers: tuple[Router, ...] = (), held: Any = None) -> list[str]:
    told = Facts(agents, held or {}, {one.id: one for one in routers})
    return [str(one) for one in refusals.of_cloud(told, {OLD: {}}, [], [OLD], [NEW])]


def test_a_cloud_that_can_be_moved() -> None:
    agents = [agent(one, host) for one in facts.KNOWN for host in (f"{OLD}.example", NEW)]
    assert found(*agents, agent(facts.SWITCH, "compute"), routers=(Router(id="r"),)) == []


@pytest.mark.parametrize(
    ("agents", "told"),
    [
        ([agent("neutron-linuxbridge-agent", "compute")], "is an agent that no code here moves"),
        ([agent("neutron-metering-agent")], "is an agent that no code here moves"),
        ([agent("ovn-controller", "compute")], "is an agent that no code here moves"),
        ([agent(L3, "compute")], "compute: neutron-l3-agent is on no controller"),
        ([agent(DHCP, alive=False)], "old: neutron-dhcp-agent is down or disabled"),
        ([agent(L3, enabled=False)], "old: neutron-l3-agent is down or disabled"),
    ],
)
def test_agents_that_refuse_it(agents: list[Agent], told: str) -> None:
    (one,) = found(*agents)
    assert told in one


@pytest.mark.parametrize("kind", ["ha", "distributed"])
def test_routers_that_refuse_it(kind: str) -> None:
    routers = tuple(Router(id=f"r{n}", name=f"r{n}", **{kind: True}) for n in range(7))
    (one,) = found(routers=routers)
    assert "r0, r1, r2, r3, r4 and 2 more" in one


def test_what_several_agents_carry_refuses_it() -> None:
    two = [agent(DHCP), agent(DHCP, NEW)]
    (one,) = found(*two, held={one.id: ("n1",) for one in two})
    assert "network n1 is carried by neutron-dhcp-agent on new, old" in one


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        (0, "[ovs]\nbridge_mappings = phys:br-phy, more:br-more", "bridge br-more of more is mis"),
        (0, "[agent]\ntunnel_types = vxlan\n[ovs]\nlocal_ip = 10.0.0.99", "local_ip = 10.0.0.99"),
        (0, "[agent]\ntunnel_types = vxlan", "local_ip =  in"),
        (1, "[DEFAULT]\nagent_mode = dvr_snat", "has agent_mode = dvr_snat"),
    ],
)
def test_a_controller_that_cannot_carry_networks_refuses_it(
    tmp_path: Path, file: int, text: str, told: str
) -> None:
    world = World()
    world.hosts[NEW].files = {refusals.FILES[file]: text}
    with pytest.raises(PreconditionError) as error:
        STEPS[0].apply(context(world, tmp_path))
    assert told in str(error.value)
    assert world.events == []


def test_a_controller_that_can(tmp_path: Path) -> None:
    world = World()
    text = "[agent]\ntunnel_types = vxlan\n[ovs]\nlocal_ip = 10.0.0.3\nbridge_mappings = a:br-phy"
    world.hosts[NEW].files = {refusals.FILES[0]: text}
    assert refusals.findings(context(world, tmp_path)) == []


def test_a_unit_that_is_not_there_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    monkeypatch.setattr(world.hosts[NEW], "systemd_show", lambda names: dict.fromkeys(names[1:]))
    (one,) = refusals.findings(context(world, tmp_path))
    assert one.message == "neutron-openvswitch-agent is not installed"


def test_a_router_that_became_highly_available_meanwhile_is_not_moved(tmp_path: Path) -> None:
    world = World()
    cloud = context(world, tmp_path)
    STEPS[0].apply(cloud)
    world.routers["r0"]["ha"] = True
    with pytest.raises(PreconditionError, match="highly available"):
        STEPS[2].apply(cloud)
    assert carried(world, OLD) >= world.routers.keys()


def test_a_call_that_changes_something_is_made_once_and_its_refusal_told(tmp_path: Path) -> None:
    world = World()
    api = reading.api(context(world, tmp_path))
    with pytest.raises(ApiError, match=f"DELETE .*/agents/{OLD} {L3}/l3-routers/none answered 404"):
        api.send("DELETE", "network", f"/agents/{OLD} {L3}/l3-routers/none")
    assert [one for one in world.events if one.startswith("DELETE")] == [f"DELETE none {OLD} {L3}"]


def test_a_cloud_without_neutron_has_none_of_these_steps() -> None:
    assert list(network.steps(tuple(one for one in RECIPES if one.project != "neutron"))) == []


def with_network_host(home: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A cloud in which a host of its own, `net1`, has an L3 agent too."""
    world = World()
    world.hosts["net1"] = host = Machine("net1", world)
    host.active = {L3, facts.SWITCH}
    world.register(host)
    cloud = context(world, home)
    monkeypatch.setattr(login, "api", reading.api)
    return cloud


def test_a_network_host_of_its_own_is_refused_before_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = check_of(network_hosts).run(with_network_host(tmp_path, monkeypatch))
    assert (one.severity, one.where) == (Severity.ERROR, "net1")
    assert "no network host that the stack's file names: it is not settled" in one.message
    assert "sidestep:source.networkHosts" in one.remedy
    assert "`openstack network agent remove network`" in one.remedy


def test_agents_on_a_compute_host_serve_on_and_it_is_said_that_settle_refuses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = with_network_host(tmp_path, monkeypatch)
    known = (*cloud.source.computes, fakes.FakeHost("net1.example.org"))
    cloud = replace(cloud, source=replace(cloud.source, computes=known))
    (one,) = check_of(network_hosts).run(cloud)
    assert (one.severity, one.where) == (Severity.WARNING, "net1")
    assert "serves on across the cutover" in one.message
    assert "`migrate settle` refuses its host" in one.message
    assert "`openstack network agent remove network`" in one.remedy
    refused = refusals.findings(cloud)
    assert [one.where for one in refused if one.severity is Severity.ERROR] == ["net1"]
    with pytest.raises(SettingsError, match="--host net1"):
        settle.planned(cloud, settle.Asked(hosts=["net1"]))


def test_a_network_host_of_its_own_is_refused_by_settle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = with_network_host(tmp_path, monkeypatch)
    with pytest.raises(SettingsError, match="--host net1: neutron-l3-agent is on no controller"):
        settle.planned(cloud, settle.Asked(hosts=["net1"]))
    agents = refusals.network_hosts(cloud, reading.api(cloud))
    (one,) = settle.left_out(agents, settle.Asked())
    assert (one.severity, one.where) == (Severity.WARNING, "net1")
    assert settle.left_out(agents, settle.Asked(hosts=["cmp1"])) == []


def test_no_network_host_is_told_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = context(World(), tmp_path)
    monkeypatch.setattr(login, "api", reading.api)
    assert check_of(network_hosts).run(cloud) == []
