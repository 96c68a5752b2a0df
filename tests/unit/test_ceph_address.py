"""New monitors take over the old ones' addresses, and no moment leaves a client without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrate.engine.journal import State
from migrate.errors import PreconditionError, StepError, UnreachableError
from migrate.finish import ceph as finish_ceph
from migrate.phases import renew_ceph
from migrate.storage.ceph import conf, leaving, manager, old_address, osd_host
from migrate.storage.ceph.addresses import PORTS
from migrate.storage.ceph.findings import PROTOCOLS
from tests.unit import ceph_hosts
from tests.unit.ceph_hosts import CEPH, CONF
from tests.unit.ceph_world import NEW, Machine, World, cinder, nova
from tests.unit.fakes import STACK

OLD_ADDRESS = "10.0.0.1"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(osd_host, "PAUSE_SECONDS", 0.01)
    for name in ("LEARN_SECONDS", "JOIN_SECONDS"):
        monkeypatch.setattr(old_address, name, 0.0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path)
    found.attachments.serve(monkeypatch)
    return found


def do(world: World, *names: str, past: tuple[str, ...] = ("mon",)) -> None:
    session = world.session()
    try:
        renew_ceph.renew(session, names, past, lambda *_: None)
    finally:
        session.journal.close()


def told(world: World) -> list[str]:
    return [str(one) for one in renew_ceph.found(world.context, ())]


def calls(host: Machine) -> list[str]:
    """What it was made to do about monitors and addresses, in order."""
    acts = ("give_up", "carry", "make_beside", "make_again", "remove", "succeed", "quiet")
    return [name for name, _ in host.given if name.rpartition(".")[2] in acts]


def test_one_joins_at_the_old_address_before_the_one_at_the_new_leaves(world: World) -> None:
    world.hosts["compute"].answers["monitors_known.without"] = ["one"]  # nobody has to care
    assert told(world) == []
    do(world)
    assert world.cluster.monitors == {"new": NEW}
    assert world.cluster.place("new") == OLD_ADDRESS
    assert world.cluster.carries == {"mon": set(), "new": {OLD_ADDRESS}}
    assert calls(world.hosts["mon"]) == ["moved_address.give_up"]
    assert calls(world.hosts["new"])[1:] == [
        *("moved_address.carry", "monitor.make_beside", "monitor.remove", "monitor.succeed")
    ]
    text = world.hosts["new"].files[conf.PATH]
    assert conf.section(text, "mon.new") == f"[mon.new]\npublic addr = {OLD_ADDRESS}\n"
    assert "beside" not in text
    assert leaving.is_committed(world.context)
    before = [*world.hosts["new"].given]
    do(world, past=())  # again: nothing to do
    assert calls(world.hosts["new"]) == [
        name for name, _ in before if name in calls(world.hosts["new"])
    ]
    world.hosts["mon"].dead = True  # it is taken away
    assert old_address.taken(world.context)


KILLED = [
    ("mon", "moved_address.give_up"),
    ("new", "moved_address.carry"),
    ("new", "monitor.make_beside"),
    ("new", "monitor.succeed"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("host", "function"), KILLED)
def test_it_goes_on_wherever_it_was_killed(
    world: World, monkeypatch: pytest.MonkeyPatch, host: str, function: str, after: bool
) -> None:
    name = f"_{function.replace('.', '_')}"
    act = getattr(Machine, name)

    def killed(self: Machine, *given: Any) -> None:
        if after:
            act(self, *given)
        raise StepError("killed")

    with monkeypatch.context() as here:
        here.setattr(Machine, name, killed)
        with pytest.raises(StepError, match="killed"):
            do(world)
    assert leaving.is_committed(world.context)
    session = world.session()
    assert session.journal.state("ceph.old-address") is State.FAILED
    session.journal.close()
    if (function, after) != (KILLED[-1][1], True):
        with pytest.raises(PreconditionError, match="leave before any OSD comes over"):
            do(world, "osd1", past=("osd1",))
    do(world, past=())
    assert world.cluster.monitors == {"new": NEW}
    assert world.cluster.place("new") == OLD_ADDRESS


def test_it_goes_on_where_no_monitor_runs_between_the_two_names(world: World) -> None:
    do(world)
    new = world.hosts["new"]
    world.cluster.monitors = {}
    with pytest.raises(StepError, match="new: no monitor runs there: start it"):
        do(world, past=())
    new.notes["ceph-monitor-beside"] = {"name": "new-beside"}
    given = len(new.given)
    with pytest.raises(StepError, match=f"has no quorum at {OLD_ADDRESS}"):
        do(world, past=())  # this one's does not start
    assert "monitor.succeed" in [name for name, _ in new.given[given:]]


def test_the_new_one_stays_until_all_users_reach_the_old_address(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reach(_: Machine, asked: list[list[Any]]) -> list[str]:
        return ["open", "timeout" if asked[0][0] == OLD_ADDRESS else "open"]

    with monkeypatch.context() as here:
        here.setattr(Machine, "_reach_ports", reach)
        with pytest.raises(StepError, match=rf"osd1.* does not reach {OLD_ADDRESS} on ports 3300"):
            do(world)
    assert set(world.cluster.monitors) == {"new", "new-beside"}
    do(world, past=())
    assert set(world.cluster.monitors) == {"new"}


def test_who_else_answers_for_it_is_told_before_the_new_one_takes_it(world: World) -> None:
    world.hosts["new"].answers["arp.ask"] = ["02:00:00:00:00:01"]
    with pytest.raises(StepError, match=r"02:00:00:00:00:01 answers for 10\.0\.0\.1 too"):
        do(world)
    assert "moved_address.carry" not in calls(world.hosts["new"])


def test_an_old_host_that_died_with_its_address_is_named_once_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(host: Machine, _: str) -> None:
        host.dead = True
        raise UnreachableError("mon does not answer", "mon")

    monkeypatch.setattr(Machine, "_moved_address_give_up", die)
    for past in (("mon",), ()):  # the first time it was named for the removal alone
        with pytest.raises(StepError, match=r"has not given 10\.0\.0\.1 up: start it.*--past mon"):
            do(world, past=past)
    assert leaving.is_committed(world.context)
    world.cluster.carries["mon"] = set()  # dead, it answers nobody
    world.hosts["new"].answers["arp.ask"] = ["52:54:00:00:00:01"]
    with pytest.raises(StepError, match=r"answers for 10\.0\.0\.1 too"):
        do(world)
    del world.hosts["new"].answers["arp.ask"]
    do(world)
    assert old_address.taken(world.context)
    assert {one: world.cluster.place(one) for one in world.cluster.monitors} == {"new": OLD_ADDRESS}
    assert not finish_ceph.are_dropped(world.context)
    finish_ceph.drop(world.context)
    assert finish_ceph.are_dropped(world.context)


def test_a_dead_host_that_is_no_old_monitors_is_missed(world: World) -> None:
    do(world)
    world.hosts["osd2"].dead = True
    with pytest.raises(UnreachableError):
        finish_ceph.drop(world.context)


def test_afterwards_the_machines_own_address_goes_and_the_old_one_stays(world: World) -> None:
    found, context = world.attachments, world.context
    found.add(found.NOVA, 1, nova(OLD_ADDRESS))
    found.add(found.NOVA, 2, nova(OLD_ADDRESS, "new"))
    found.add(found.CINDER, "a", cinder("new"))  # made when the new one was alone
    do(world)
    assert found.texts(found.NOVA) == {1: nova(OLD_ADDRESS), 2: nova(OLD_ADDRESS, "new")}
    assert found.texts(found.CINDER) == {"a": cinder("new", OLD_ADDRESS)}
    assert not finish_ceph.are_dropped(context)
    finish_ceph.drop(context)
    assert finish_ceph.are_dropped(context)
    assert found.texts(found.NOVA)[2] == nova(OLD_ADDRESS)
    assert found.texts(found.CINDER) == {"a": cinder(OLD_ADDRESS)}
    for name in ("osd1", "osd2", "old"):
        assert conf.value(world.hosts[name].files[conf.PATH], "mon_host") == "mon"


STANDING: dict[str, Any] = {
    "devices": ["eth0"],
    "at": ["ceph-mon"],
    "everywhere": ["sshd"],
    "from": [],
    "routes": [],
}


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ({"at": ["ceph-mon", "mariadbd"]}, "mon: mariadbd would lose 10.0.0.1"),
        ({"from": ["neutron-l3-agent"]}, "mon: neutron-l3-agent would lose 10.0.0.1"),
        ({"devices": []}, "mon: 10.0.0.1 is on no interface"),
        ({"routes": ["default"]}, "mon: routes leave from 10.0.0.1: default"),
    ],
)
def test_who_would_miss_the_address_forbids_it(
    world: World, there: dict[str, Any], words: str
) -> None:
    world.hosts["mon"].answers["moved_address.standing"] = {**STANDING, **there}
    found = told(world)
    assert any(one.startswith("error") and words in one for one in found)
    assert all("sidestep:ceph.addresses: new" in one for one in found if one.startswith("error"))
    assert any("warning" in one and "sshd listen at every address" in one for one in found)
    with pytest.raises(PreconditionError, match=r"sidestep:ceph\.addresses: new"):
        do(world)
    assert leaving.no_way_back(world.context) == ""
    assert calls(world.hosts["mon"]) == []


def test_whose_address_cannot_move_is_told_before(world: World) -> None:
    world.hosts["new"].answers["moved_address.place"] = {}
    assert "no interface is in the network of 10.0.0.1, which it takes over from mon" in (
        " ".join(told(world))
    )
    world.hosts["mon"].address = OLD_ADDRESS
    assert "mon: it is reached by ssh at 10.0.0.1" in told(world)[0]
    world.cluster.places["mon1"] = "10.0.0.9"
    assert any("10.0.0.9 is a virtual IP" in one for one in told(world))
    world.hosts["mon"].answers["monitor.standing"] = {}
    assert any("no monitor runs there" in one for one in told(world))


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three new monitors, whose old ones have just left."""
    olds = [{"name": f"mon{one}", "address": f"10.0.0.3{one}"} for one in (4, 5)]
    news = [*STACK["target"]["controllers"], {"name": "new3", "address": "10.0.0.14"}]
    target = {**STACK["target"], "controllers": news}
    monkeypatch.setattr(ceph_hosts, "STACK", {**STACK, "target": target})
    hosts, names = [*CEPH["hosts"], *olds], ["new", "new2", "new3"]
    world = World(tmp_path, hosts=hosts, monitors=["mon", "mon4", "mon5"], joins=names)
    world.attachments.serve(monkeypatch)
    of = {"mon": OLD_ADDRESS, "mon4": "10.0.0.4", "mon5": "10.0.0.5"}
    note = {"removed": ["mon1"], "addresses": [*of.values()], "of": of}
    world.cluster.monitors = dict.fromkeys(names, NEW)
    for number, name in enumerate(names):
        world.cluster.places[name] = f"10.0.0.1{2 + number}"
        world.hosts[name].files[conf.PATH] = conf.for_monitor(CONF, name, name)
        world.hosts[name].notes["ceph-committed"] = note
    return world


def test_of_several_one_after_the_other_leaves_and_joins_again(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    least = []
    out = Machine._monitor_remove

    def remove(self: Machine, name: str) -> None:
        out(self, name)
        least.append(len(three.cluster.monitors))

    monkeypatch.setattr(Machine, "_monitor_remove", remove)
    old_address.take(three.context)
    assert least == [2, 2, 2]
    assert {one: three.cluster.place(one) for one in three.cluster.monitors} == {
        "new": OLD_ADDRESS,
        "new2": "10.0.0.4",
        "new3": "10.0.0.5",
    }
    assert old_address.taken(three.context)


def test_the_next_stays_until_all_users_reach_the_first(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as here:
        here.setattr(Machine, "_reach_ports", lambda *_: ["open", "timeout"])
        for _ in range(2):
            with pytest.raises(StepError, match=f"does not reach {OLD_ADDRESS} on ports"):
                old_address.take(three.context)
    assert "moved_address.carry" not in calls(three.hosts["new2"])
    old_address.take(three.context)
    assert old_address.taken(three.context)


def test_none_leaves_while_another_is_away(three: World) -> None:
    three.cluster.away.add("new3")
    with pytest.raises(PreconditionError, match="not in the quorum: new3: start them"):
        old_address.take(three.context)
    assert len(three.cluster.monitors) == 3
    three.cluster.away.clear()
    old_address.take(three.context)
    assert old_address.taken(three.context)


def test_an_election_of_the_others_is_waited_for(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_address, "JOIN_SECONDS", 30.0)
    three.cluster.away |= {"new2", "new3"}
    said: list[Any] = []
    ask = Machine._monitor_standing

    def standing(self: Machine) -> Any:
        said.append(ask(self))
        if len(said) == 3:  # the others have no quorum yet
            three.cluster.away.clear()
        return said[-1]

    monkeypatch.setattr(Machine, "_monitor_standing", standing)
    old_address.take(three.context)
    assert old_address.taken(three.context)


def test_no_osd_follows_while_one_is_away(three: World) -> None:
    for old in ("mon", "mon4", "mon5"):
        three.hosts[old].notes["ceph-retired"] = {"monitor": old, "managers": []}
    old_address.take(three.context)
    assert renew_ceph.found(three.context, ["osd1"]) == []
    three.cluster.away.add("new3")
    (one,) = renew_ceph.found(three.context, ["osd1"])
    assert one.message == "monitors are not in the quorum: new3"


def test_as_many_take_one_as_there_are_or_none_does(three: World) -> None:
    few = three.context.settings.ceph.model_copy(update={"joins": ("new",)})
    settings = three.context.settings.model_copy(update={"ceph": few})
    object.__setattr__(three.context, "settings", settings)
    (one,) = old_address.findings(three.context)
    assert "3 old monitors have an address, and 1 new ones would take one" in one.message
    with pytest.raises(PreconditionError, match="addresses: new"):
        old_address.take(three.context)


def test_what_was_not_noted_is_not_guessed(three: World) -> None:
    del three.hosts["new"].notes["ceph-committed"]["of"]
    assert not old_address.taken(three.context)
    with pytest.raises(PreconditionError, match="known are those on no host: let new ones stay"):
        old_address.take(three.context)


def test_a_monitor_has_one_address_in_its_own_section() -> None:
    text = conf.for_monitor("[global]\nmon host = 10.0.0.1\n", "new", "10.0.0.2")
    for _ in range(2):
        text = conf.with_monitor(text, "new", "10.0.0.1")
        assert conf.section(text, "mon.new") == "[mon.new]\npublic addr = 10.0.0.1\n"
    beside = conf.with_monitor(text, "new-beside", "10.0.0.3")
    assert conf.section(beside, "mon.new-beside") == "[mon.new-beside]\npublic addr = 10.0.0.3\n"
    assert conf.without_monitor(beside, "new-beside") == text
    assert PORTS.keys() == PROTOCOLS
