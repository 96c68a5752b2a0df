"""Ceph's own daemons come over with the cloud: what is asked before, who joins and who leaves."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.checks import QUICK, access, ceph_cluster
from migrate.cloud import Context
from migrate.engine import markers
from migrate.engine.finding import Severity
from migrate.engine.plan import Phase, Plan
from migrate.engine.runner import Runner
from migrate.errors import CommandError, PreconditionError, StepError, UnreachableError
from migrate.phases import follow
from migrate.storage.ceph import conf, joining, leaving, manager, members, monitor
from migrate.storage.rbd import client_files
from tests.unit import ceph_hosts
from tests.unit import test_ceph_files as files
from tests.unit.ceph_hosts import CONF, CephHost, context
from tests.unit.ceph_world import Machine, World
from tests.unit.fakes import STACK
from tests.unit.test_ceph import SAID

MONITOR = deepcopy(SAID["quorum"]["monmap"]["mons"][0])


def standing(id_: str, *names: str) -> dict[str, Any]:
    """What a monitor says that is in a quorum of *names*; the first by default."""
    mons = [{**MONITOR, "name": one} for one in names]
    map_ = {"mons": mons, "min_mon_release": 16}
    return {"id": id_, "state": "leader", "quorum": list(names), "map": map_}


@pytest.fixture
def clouds(tmp_path: Path) -> tuple[Context, dict[str, CephHost]]:
    return well(*context(tmp_path))


def well(found: Context, hosts: dict[str, CephHost]) -> tuple[Context, dict[str, CephHost]]:
    """Nothing forbids that a monitor joins."""
    hosts["mon"].answers = {
        "monitor.standing": standing("mon1", "mon1"),
        "ceph.read": deepcopy(SAID),
        "retired.managers": ["mon1"],
    }
    for name in ("new", "new2"):
        hosts[name].answers = {
            "monitor.lacks": "",
            "manager.lacks": "",
            "monitor.noted": False,
            "ceph.release": 18,
            "ceph.client": 18,
            "moved_address.place": {"device": "eth0", "prefix": 24},
        }
    for name in ("mon", "osd1", "osd2"):
        hosts[name].answers["osds.beside"] = []
    for name in ("mon", "osd1", "compute", "old"):
        hosts[name].files[conf.PATH] = CONF
        hosts[name].answers["reach.ports"] = ["refused", "refused"]  # nobody listens yet
    return found, hosts


def told(found: Context) -> list[str]:
    return [
        f"{one.where}: {one.message}"
        for one in ceph_cluster.run(found)
        if one.severity is Severity.ERROR
    ]


def test_nothing_forbids_a_cluster_that_is_well(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    assert told(clouds[0]) == []
    assert [one.name for one in QUICK if one.ask is ceph_cluster.run] == ["ceph-cluster"]


def test_a_cluster_without_monitors_in_the_stack_file_is_anothers(tmp_path: Path) -> None:
    given: dict[str, Any] = {"hosts": [], "monitors": [], "joins": [], "osdHosts": []}
    found, hosts = context(tmp_path, **given, clients=True)
    (one,) = ceph_cluster.run(found)
    assert one.severity is Severity.INFO
    assert "the cluster is another's" in one.message
    assert [one for host in hosts.values() for one in host.asked] == []
    assert list(ceph_cluster.run(context(tmp_path, **given)[0])) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", ""),
        ("upmap", "the balancer moves data by itself (upmap), and no host is begun until"),
        (CommandError("mon", "python3", 1, "no module"), "cannot be asked: mon: "),
    ],
)
def test_a_balancer_that_moves_data_is_told(
    clouds: tuple[Context, dict[str, CephHost]], answer: Any, words: str
) -> None:
    found, hosts = clouds
    hosts["mon"].answers["ceph.balances"] = answer
    said = [one for one in ceph_cluster.run(found) if "balancer" in one.message]
    assert [words in one.message for one in said] == [True] * bool(words)
    assert all(one.severity is Severity.WARNING for one in said)


def test_a_client_farther_from_the_new_daemons_than_was_shown_is_told(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    for name, its in {"mon": 16, "osd1": 0, "old": 20, "compute": 14}.items():
        hosts[name].answers["ceph.client"] = its
    (one,) = [one for one in ceph_cluster.run(found) if "clients of Ceph" in one.message]
    assert (one.where, one.severity) == ("compute", Severity.WARNING)
    assert "are of 14 (nautilus), and the new daemons of 18 (reef)" in one.message
    hosts["new"].answers["ceph.client"] = 0  # `pulumi up` comes first
    assert not [one for one in ceph_cluster.run(found) if "clients of Ceph" in one.message]


def coded(said: dict[str, Any]) -> None:
    said["osds"]["pools"][0]["type"] = 3


def metadata_server(said: dict[str, Any]) -> None:
    said["versions"]["mds"] = {"ceph version 16.2.15 (0) pacific (stable)": 1}


def orchestrated(said: dict[str, Any]) -> None:
    said["managers"]["modules"].append("cephadm")


def another_monitor(said: dict[str, Any]) -> None:
    said["quorum"]["monmap"]["mons"].append({**MONITOR, "name": "mon2"})
    said["quorum"]["quorum_names"].append("mon2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (coded, "pools are erasure-coded: images"),
        (metadata_server, "there is CephFS, or a metadata server"),
        (orchestrated, "its daemons are cephadm's"),
        (another_monitor, "the cluster has monitors that ceph.monitors does not name: mon2"),
    ],
)
def test_what_was_never_shown_to_come_over_is_refused(
    clouds: tuple[Context, dict[str, CephHost]],
    change: Any,
    words: str,
) -> None:
    found, hosts = clouds
    change(hosts["mon"].answers["ceph.read"])
    (one,) = told(found)
    assert words in one


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"osdHosts": ["osd1"]}, ": OSDs are on hosts that ceph.osdHosts does not name: osd2"),
        ({"osdHosts": ["osd1", "osd2", "mon"]}, ": `ceph osd tree` has no OSD on mon"),
        (
            {"joins": ["new", "new2"], "addresses": "new"},
            ": 2 monitors would be left of 1 old ones",
        ),
    ],
)
def test_the_stack_file_names_the_cluster_whole(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    found, _ = well(*context(tmp_path, **given))
    (one,) = told(found)
    assert one.startswith(words)


def test_whose_address_could_not_be_taken_over_is_told_before_anything_joins(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    hosts["mon"].address = "10.0.0.1"
    (reached,) = told(found)
    assert reached.startswith("mon: it is reached by ssh at 10.0.0.1, which its monitor's")
    hosts["mon"].address = "mon"
    moved = standing("mon1", "mon1")
    moved["map"]["mons"][0]["public_addrs"] = {
        "addrvec": [
            {"type": "v2", "addr": "10.0.0.1:3300", "nonce": 0},
            {"type": "v1", "addr": "10.0.0.1:6790", "nonce": 0},
        ]
    }
    hosts["mon"].answers["monitor.standing"] = moved
    (port,) = told(found)
    assert port.startswith("mon: its monitor listens at 10.0.0.1:6790, and its successor would")
    assert "moved_address.standing" not in hosts["mon"].asked  # what runs there now goes before
    ceph_ = found.settings.ceph.model_copy(update={"addresses": "new"})
    settings = found.settings.model_copy(update={"ceph": ceph_})
    assert told(replace(found, settings=settings)) == []


def test_who_will_not_reach_the_new_monitors_is_told_before_they_are_there(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    hosts["compute"].answers["reach.ports"] = ["refused", "timeout"]
    (one,) = told(found)
    assert one.startswith(": compute does not reach each of new:3300, new:6789")
    assert ("reach.ports", [[["new", 3300], ["new", 6789]]]) in hosts["osd1"].given


def test_a_manager_that_no_monitors_host_has_is_told(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    hosts["mon"].answers["ceph.read"]["managers"]["standbys"] = [{"name": "new"}, {"name": "far"}]
    (one,) = told(found)
    assert one.startswith(": managers are on no host of ceph.monitors: far")


def test_a_file_that_finds_monitors_by_dns_is_told(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    hosts["compute"].files[conf.PATH] = "[global]\nfsid = f5\n"
    hosts["osd1"].files[conf.PATH] = "[global]\nmon host = 10.0.0.1:6789, mon.example\n"
    (one,) = told(found)
    assert one == "compute: /etc/ceph/ceph.conf names no `mon host`"
    findings = ceph_cluster.run(found)
    warned = {one.where: one.message for one in findings if "otherwise" in one.message}
    assert warned.keys() == {"old", "osd1"}
    assert warned["osd1"].endswith("than by address: mon.example")


@pytest.mark.parametrize(("olds", "dead"), [(1, 2), (3, 3)])
def test_how_many_may_die_at_once_while_both_serve_is_told(olds: int, dead: int) -> None:
    (one,) = ceph_cluster._number(olds, 3)
    assert one.severity is Severity.WARNING
    assert f"there are {olds + 3}: the loss of {dead} at once stops the cluster" in one.message


def test_a_controller_that_lacks_a_daemon_or_has_another_ceph_conf_is_told(tmp_path: Path) -> None:
    found, hosts = well(*context(tmp_path, clients=True))
    hosts["new"].answers["manager.lacks"] = "there is no ceph-mgr: install it"
    hosts["old"].files[conf.PATH] = CONF + "[client.glance]\nkeyring = /etc/glance/key\n"
    lacks, differs = told(found)
    assert lacks == "new: there is no ceph-mgr: install it"
    assert differs.startswith("old: /etc/ceph/ceph.conf says [client.glance] keyring")
    hosts["mon"].files[conf.PATH] = hosts["old"].files[conf.PATH] + "[mon]\ndebug mon = 1\n"
    assert told(found) == [lacks]
    hosts["new"].answers["manager.lacks"] = ""
    hosts["mon"].files[conf.PATH] += "[mon.new]\nhost = another\n"
    (section,) = told(found)
    assert "has a section [mon.new] already" in section


def test_osds_that_a_fresh_system_would_not_find_are_told_before_anything_moves(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    lvm = "RuntimeError: osd.1 is on LVM or encrypted (/dev/dm-0)"
    hosts["osd2"].answers["osds.here"] = CommandError("osd2", "python3", 1, lvm)
    (one,) = told(found)
    assert one.startswith(": osd2: ")
    assert "osd.1 is on LVM" in one
    beside = ["ceph-mgr@mon2.service", "ceph-radosgw@rgw.a.service"]
    hosts["osd2"].answers |= {"osds.here": [], "osds.beside": beside}
    assert told(found) == [
        "osd2: ceph-radosgw@rgw.a.service runs beside OSDs, and would go with the system"
    ]


def test_a_host_of_the_cluster_that_does_not_let_us_in_is_named_once(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    assert {"mon", "osd1", "osd2"} <= {one.name for one in found.hosts}
    shut = access.without(found, ["mon"])
    with pytest.raises(UnreachableError, match="mon does not"):
        list(ceph_cluster.run(shut))
    assert hosts["mon"].asked == []


def test_nothing_joins_a_cluster_that_is_not_well(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    hosts["mon"].answers["ceph.read"]["osds"]["flags_set"].append("norebalance")
    with pytest.raises(PreconditionError, match="flags are set: norebalance"):
        joining.join(found, "new")
    assert "monitor.make" not in hosts["new"].asked
    assert not [one for one in hosts["mon"].asked if one.startswith("monitor.invitation")]


def test_a_monitor_joins_by_the_map_of_the_old_ones(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    old, new = hosts["mon"], hosts["new"]
    old.answers["monitor.invitation"] = {"conf": CONF, "map": "", "key": "", "admin": ""}

    def make(name: str, text: str, invited: dict[str, str]) -> None:
        assert conf.names(text, "new")
        assert invited["conf"] == CONF
        for host in (old, new):
            host.answers["monitor.standing"] = standing(host.name, "mon1", name)
        new.answers["monitor.made"] = True

    new.answers |= {"monitor.make": make, "monitor.standing": {}, "monitor.made": False}
    assert not joining.joined(found, "new")
    joining.join(found, "new")
    assert joining.joined(found, "new")


def test_every_file_that_names_monitors_names_the_new_ones_until_they_leave(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    hosts["new"].files[conf.PATH] = conf.for_monitor(CONF, "new", "new")
    assert not joining.told(found)
    joining.tell(found)
    assert joining.told(found)
    has = [name for name, host in hosts.items() if conf.PATH in host.files]
    assert has == ["old", "compute", "new", "mon", "osd1"]
    assert all(conf.names(hosts[name].files[conf.PATH], "new") for name in has)
    noted = [name for name, host in hosts.items() if "undo.note_file" in host.asked]
    assert not [one for host in hosts.values() for one in host.asked if one.startswith("write")]
    assert noted == ["old", "compute", "mon", "osd1"]
    hosts["osd1"].dead = True  # it is no obstacle, and finds the others by the file it has
    joining.forget(found)
    assert all("undo.undo" in hosts[name].asked for name in noted if name != "osd1")


def test_the_file_of_another_cluster_is_left_alone(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    another = "[global]\nfsid = e4\nmon host = 10.1.0.7\n"
    hosts["compute"].files[conf.PATH] = another
    hosts["osd1"].files[conf.PATH] = "[global]\nmon host = mon\n"  # as good as ours
    joining.tell(found)
    assert joining.told(found)
    assert hosts["compute"].files[conf.PATH] == another
    assert conf.names(hosts["osd1"].files[conf.PATH], "new")


def test_of_a_dead_controller_the_manager_is_not_asked_for_and_the_monitor_leaves(
    clouds: tuple[Context, dict[str, CephHost]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, hosts = clouds
    hosts["new"].dead = True
    dead = replace(found, target=found.target.without({"new"}))
    with pytest.raises(UnreachableError) as caught:
        joining.stand_down(dead, "new")
    assert caught.value.hosts <= dead.dead_targets
    assert hosts["mon"].asked == []

    silent = {**standing("mon1", "mon1", "new"), "quorum": []}
    hosts["mon"].answers |= {"monitor.standing": silent, "retired.noted": {}}

    def expel(name: str) -> None:
        assert name == "new"
        hosts["mon"].answers["monitor.standing"] = standing("mon1", "mon1")

    hosts["mon"].answers["monitor.expel"] = expel
    monkeypatch.setattr(monitor, "ELECTION_SECONDS", 0)
    with pytest.raises(UnreachableError) as caught:
        joining.leave(dead, "new")
    assert caught.value.hosts <= dead.dead_targets
    assert ("ceph.run", ["auth", "rm", "mgr.new"]) in hosts["mon"].given


def test_an_old_monitor_that_is_down_is_no_lost_quorum(
    clouds: tuple[Context, dict[str, CephHost]], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = clouds[1]["mon"], clouds[1]["new"]
    old.answers |= {"monitor.standing": {}, "retired.noted": {}}
    new.answers["monitor.standing"] = standing("new", "mon1", "new", "new2", "new3")
    monkeypatch.setattr(monitor, "ELECTION_SECONDS", 0)
    monitor.leave_if_lost(old, new)
    with pytest.raises(StepError, match="the map has mon1, new2, new3 too: start those monitors"):
        monitor.leave(old, new)
    assert "monitor.expel" not in old.asked
    assert "monitor.quiet" not in new.asked


def test_an_old_monitor_that_runs_is_asked(tmp_path: Path) -> None:
    given = [{"name": one, "address": f"10.0.0.3{at}"} for at, one in enumerate(("mon", "mon2"))]
    found, hosts = context(tmp_path, hosts=given, monitors=["mon", "mon2"], osdHosts=["compute"])
    hosts["mon"].dead = True
    hosts["mon2"].answers["monitor.standing"] = standing("mon2", "mon1", "mon2")
    assert members.old(found).name == "mon2"
    hosts["mon2"].dead = True
    with pytest.raises(UnreachableError, match="mon, mon2 does not answer"):
        members.old(found)


@pytest.mark.parametrize(
    ("monitors", "there", "carried"),
    [(False, "", files.CONF), (True, "", None), (True, "[mon.new]\n", "[mon.new]\n")],
)
def test_ceph_conf_of_a_controller_with_a_monitor_is_the_monitors(
    tmp_path: Path, *, monitors: bool, there: str, carried: str | None
) -> None:
    found = files.context(tmp_path, files.SOURCE)
    new = CephHost("new")
    new.files = {conf.PATH: there} if there else {}
    ceph_ = found.settings.ceph.model_copy(
        update={"monitors": ("mon",) * monitors, "joins": ("new",) * monitors}
    )
    found = replace(
        found,
        settings=found.settings.model_copy(update={"ceph": ceph_}),
        target=replace(found.target, controllers=(new,)),
    )
    wanted = {one.path: one.text for one in client_files.wanted(found, 0)}
    assert wanted.get(conf.PATH) == carried
    assert "/etc/ceph/ceph.client.glance.keyring" in wanted


@pytest.mark.parametrize("mixed", [True, False])
def test_follow_lets_nothing_join_where_osds_could_not_come_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, mixed: bool
) -> None:
    world = World(tmp_path, joined=False, osdHosts=["osd1", "osd2", *["compute"] * mixed])
    monkeypatch.setattr(markers, "refuse_when_live", lambda _: None)
    session = world.session()
    plan = Plan(tuple(one for one in session.plan if one.id.startswith("ceph.")))
    session = replace(session, plan=plan.phase(Phase.FOLLOW))
    if mixed:
        with pytest.raises(PreconditionError, match="compute has OSDs and runs servers"):
            follow.follow(session, lambda *_: None)
    else:
        follow.follow(session, lambda *_: None)
    assert set(world.cluster.monitors) == {"mon1", *["new"] * (not mixed)}
    session.journal.close()


def test_a_host_with_osds_that_runs_servers_is_refused_before_anything_joins(
    clouds: tuple[Context, dict[str, CephHost]],
) -> None:
    found, hosts = clouds
    hosts["compute"].answers |= {"osds.here": [], "osds.beside": []}
    ceph_ = found.settings.ceph.model_copy(update={"osd_hosts": ("osd1", "osd2", "compute")})
    found = replace(found, settings=found.settings.model_copy(update={"ceph": ceph_}))
    _, mixed = told(found)  # the cluster of this test has none there
    assert mixed.startswith(": compute has OSDs and runs servers, and no such host was shown")


def test_where_the_new_monitor_alone_is_dead_it_leaves_before_its_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, joined=False, gateways=["mon"])
    monkeypatch.setattr(manager, "PAUSE_SECONDS", 0.01)
    before = world.cluster.said
    session = world.session()
    plan = Plan(tuple(one for one in session.plan.phase(Phase.FOLLOW) if "ceph." in one.id))
    runner = Runner(plan, session.journal, session.context)
    runner.advance()
    assert world.cluster.gateways == {"mon", "new"}
    leaving.activate(session.context)
    leaving.take_over(session.context)
    assert leaving.serve_alone(session.context)
    assert world.cluster.gateways == {"new"}
    world.cluster.lost = True
    monkeypatch.setattr(monitor, "ELECTION_SECONDS", 0)
    leaving.wake(session.context)  # of the later phase, which goes back first
    leaving.hand_back(session.context)
    assert (world.cluster.active, set(world.cluster.monitors)) == ("mon1", {"mon1"})
    runner.retreat()
    session.journal.close()
    assert world.cluster.said == before
    assert world.cluster.gateways == {"mon"}
    assert not any(host.notes for host in world.hosts.values())


def test_gateways_that_are_named_come_over_and_what_forbids_it_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, joined=False, gateways=["mon"])
    ids = [one.id for one in world.session().plan if "ceph.gateway" in one.id]
    assert ids == ["ceph.gateway-new", "ceph.gateways"]
    commit = next(one for one in world.session().plan if one.id == "ceph.commit")
    assert "ceph.gateways" in commit.needs
    assert told(world.context) == []
    world.cluster.gateways.clear()
    (none,) = told(world.context)
    assert "mon: no gateway runs there" in none


@pytest.mark.parametrize("dead", [False, True])
def test_all_that_joined_while_the_source_serves_leaves_again(tmp_path: Path, dead: bool) -> None:
    world = World(tmp_path, joined=False, gateways=["mon"])
    before = (world.cluster.said, {name: dict(one.files) for name, one in world.hosts.items()})
    session = world.session()
    plan = Plan(tuple(one for one in session.plan.phase(Phase.FOLLOW) if "ceph." in one.id))
    ids = ["ceph.monitor-new", "ceph.addresses", "ceph.manager-new", "ceph.gateway-new"]
    assert [one.id for one in plan] == ids
    runner = Runner(plan, session.journal, session.context)
    runner.advance()
    assert all(one.done(session.context) for one in plan)
    assert set(world.cluster.monitors) == set(world.cluster.managers) == {"mon1", "new"}
    assert world.cluster.active == "mon1"
    assert "restful" not in world.cluster.modules  # it cannot run in the new release's manager
    context_ = session.context
    if dead:
        world.hosts["new"].dead = True
        context_ = replace(context_, target=context_.target.without({"new"}))
    Runner(plan, session.journal, context_).retreat()
    session.journal.close()
    del world.hosts["new"]
    files_ = {name: dict(one.files) for name, one in world.hosts.items()}
    if dead:  # of its manager nobody heard that it has gone
        assert set(world.cluster.monitors) == {"mon1"}
    else:
        assert world.cluster.said == before[0]
    assert files_ == {name: one for name, one in before[1].items() if name != "new"}
    assert not any(world.hosts[name].notes for name in world.hosts)


@pytest.mark.parametrize("dead", ["new", "new2", "new3"])
def test_of_three_the_dead_leave_while_the_others_are_a_quorum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    names = ["new", "new2", "new3"]
    third = {"name": "new3", "address": "10.0.0.14"}
    target = {**STACK["target"], "controllers": [*STACK["target"]["controllers"], third]}
    monkeypatch.setattr(ceph_hosts, "STACK", {**STACK, "target": target})
    world = World(tmp_path, joined=False, joins=names)
    monkeypatch.setattr(monitor, "ELECTION_SECONDS", 0.1)
    out = Machine._monitor_remove

    def remove(self: Machine, name: str) -> None:
        out(self, name)
        monitors = world.cluster.monitors
        world.cluster.lost = dead in monitors and len(monitors) <= 2

    monkeypatch.setattr(Machine, "_monitor_remove", remove)
    session = world.session()
    plan = Plan(tuple(one for one in session.plan.phase(Phase.FOLLOW) if "ceph." in one.id))
    Runner(plan, session.journal, session.context).advance()
    assert [*world.cluster.monitors] == ["mon1", *names]
    world.hosts[dead].dead = True
    without = session.context.target.without({dead})
    Runner(plan, session.journal, replace(session.context, target=without)).retreat()
    session.journal.close()
    assert set(world.cluster.monitors) == {"mon1"}
    assert not any(one.notes for name, one in world.hosts.items() if name != dead)
