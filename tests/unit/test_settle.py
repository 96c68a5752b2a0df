"""The plan of `migrate settle` on small clouds that are written down here, a rule a case."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest

from migrate.cli import settling
from migrate.cloud.settings import Settle
from migrate.computes import batches, estimates, images, needs, plan, service
from migrate.computes.estimates import Action, Way
from migrate.computes.facts import (
    Aggregate,
    ComputeHost,
    Facts,
    Flavor,
    Group,
    Inventory,
    Kind,
    Provider,
    Server,
)
from migrate.computes.plan import SettlePlan
from migrate.computes.reading import kind_of
from migrate.engine.finding import Severity
from migrate.errors import SettingsError
from migrate.phases import settle

SMALL = Flavor("small", 1, 1024, 10)
WEB = [Server("w", "web", "p1", "ACTIVE", "", "elsewhere", SMALL, Kind.RUNNING)]
AVX = frozenset({"HW_CPU_X86_AVX"})


def host(
    name: str,
    zone: str = "nova",
    *,
    ram: int = 8192,
    used: int = 0,
    traits: Collection[str] = (),
    inventories: Mapping[str, Inventory] = {},
    **more: Any,
) -> ComputeHost:
    found = {
        "VCPU": Inventory(16, ratio=4.0),
        "MEMORY_MB": Inventory(ram),
        "DISK_GB": Inventory(1000),
        **inventories,
    }
    usages = {"VCPU": used, "MEMORY_MB": 1024 * used, "DISK_GB": 10 * used}
    provider = Provider(name, name, found, usages, frozenset(traits))
    return ComputeHost(name, zone, providers=(provider,), **more)


def server(name: str, on: str, **more: Any) -> Server:
    status = more.pop("status", "ACTIVE")
    known: dict[str, Any] = {
        "project": "p1",
        "task": "",
        "flavor": SMALL,
        "kind": kind_of(status, more.get("task", "")),
    }
    return Server(name, name, status=status, host=on, **{**known, **more})


def planned(
    hosts: Collection[ComputeHost],
    servers: Collection[Server],
    *names: str,
    way: Way = Way.REINSTALL,
    more: Mapping[str, Any] = {},
    **decided: Any,
) -> SettlePlan:
    """The plan for hosts of *names*, all by default; *more* are further facts."""
    facts = Facts(tuple(hosts), tuple(servers), **more)
    wanted = Settle.model_validate({"canary": 0, **decided})
    return plan.make(facts, wanted, way, names or {one.name for one in hosts})


def moves(found: SettlePlan) -> dict[str, tuple[str, str]]:
    return {
        one.server.name: (str(one.action), one.to) for host in found.hosts for one in host.servers
    }


def errors(found: SettlePlan) -> list[str]:
    return [str(one) for one in found.findings if one.severity is Severity.ERROR]


TWO = (host("a", used=1), host("b"))


def test_in_place_no_server_moves_where_the_stack_file_says_nothing() -> None:
    servers = [server("web", "a"), server("off", "a", status="SHUTOFF")]
    found = planned(TWO, servers, way=Way.IN_PLACE)
    assert moves(found) == {"web": ("stays", ""), "off": ("stays", "")}
    assert errors(found) == []


@pytest.mark.parametrize(
    ("otherwise", "status", "action", "to"),
    [
        ("liveMigrate", "ACTIVE", "live-migrate", "b"),
        ("liveMigrate", "PAUSED", "live-migrate", "b"),
        ("liveMigrate", "SHUTOFF", "stays", ""),
        ("liveMigrate", "SUSPENDED", "stays", ""),
        ("coldMigrate", "ACTIVE", "cold-migrate", "b"),
        ("stopStart", "ACTIVE", "stop and start", ""),
        ("stopStart", "SHUTOFF", "stays", ""),
        ("leave", "PAUSED", "stays", ""),
    ],
)
def test_in_place_what_runs_is_treated_as_it_says(
    otherwise: str, status: str, action: str, to: str
) -> None:
    servers = [server("web", "a", status=status)]
    found = planned(TWO, servers, "a", way=Way.IN_PLACE, otherwise=otherwise)
    assert moves(found) == {"web": (action, to)}


def test_who_comes_home_takes_room_elsewhere_only_meanwhile() -> None:
    hosts = [host("a", used=1), host("b", used=1, ram=2048), host("c", ram=0)]
    servers = [server("a1", "a"), server("b1", "b")]
    rules = [{"zone": "nova", "do": "liveMigrate", "home": True}]
    found = planned(hosts, servers, "a", "b", way=Way.IN_PLACE, rules=rules, batch=1)
    assert errors(found) == []
    assert moves(found) == {"a1": ("live-migrate", "b"), "b1": ("live-migrate", "a")}
    assert found.home == 2
    assert found.seconds == 2 * (30 + 170 + 30)
    away = planned(hosts, servers, "a", "b", way=Way.IN_PLACE, otherwise="liveMigrate", batch=1)
    assert away.actions == {Action.LIVE: 3}  # a1 moves twice: it is on b when that has its turn
    assert away.home == 0


def test_what_users_notice_of_moves_and_what_becomes_of_late_ones_is_told() -> None:
    decided: dict[str, Any] = {"otherwise": "liveMigrate", "home": True}
    found = planned(TWO, [server("web", "a")], "a", way=Way.IN_PLACE, **decided)
    told = "\n".join(settling.totals(found, Settle.model_validate(decided)))
    assert "servers: 1 live-migrate; about 230 s" in told
    assert "Moves back home, once their host is renewed: 1;" in told
    assert "A live migration whose time is over is aborted" in told
    later = Settle.model_validate({**decided, "late": "complete"})
    assert "completed by nova: by post-copy" in "\n".join(settling.totals(found, later))
    assert "Users notice, live-migrate: 1-4 pings lost" in told


def test_a_rule_says_for_itself_who_comes_home() -> None:
    rules = [{"tag": "x", "do": "liveMigrate", "home": False}, {"tag": "y", "do": "coldMigrate"}]
    servers = [server("x", "a", tags=("x",)), server("y", "a", tags=("y",))]
    found = planned(TWO, servers, "a", way=Way.IN_PLACE, rules=rules, home=True)
    assert {one.server.name: one.home for one in found.hosts[0].servers} == {"x": False, "y": True}


@pytest.mark.parametrize("otherwise", ["liveMigrate", "leave"])
def test_in_place_one_host_of_a_zone_stays_open(otherwise: str) -> None:
    hosts = [host(name) for name in "abc"]
    servers = [server(name, name) for name in "abc"]
    found = planned(hosts, servers, way=Way.IN_PLACE, otherwise=otherwise, batch=9)
    assert [one.batch for one in found.hosts] == [1, 1, 2]
    assert [one for one in found.findings if one.check == "zone"] == []


def test_what_a_run_before_has_under_way_is_waited_for() -> None:
    closed = host("a", enabled=False, reason=service.REASON)
    servers = [server("web", "a", status="MIGRATING", task="migrating"), server("other", "b")]
    found = planned([closed, host("b")], servers, "a", way=Way.IN_PLACE, otherwise="liveMigrate")
    assert errors(found) == []
    assert moves(found) == {"web": ("stays", "")}


def test_nobody_comes_home_to_a_host_that_somebody_else_has_closed() -> None:
    closed = host("a", enabled=False, reason="its fan is loud")
    decided: dict[str, Any] = {"way": Way.IN_PLACE, "otherwise": "liveMigrate", "home": True}
    found = planned([closed, host("b")], [server("web", "a")], "a", **decided)
    (told,) = [one for one in found.findings if one.check == "home"]
    assert told.severity is Severity.WARNING
    assert "1 server (web) leaves" in told.message


@pytest.mark.parametrize(
    ("otherwise", "status", "action", "to"),
    [
        ("liveMigrate", "ACTIVE", "live-migrate", "b"),
        ("liveMigrate", "PAUSED", "live-migrate", "b"),
        ("liveMigrate", "SHUTOFF", "cold-migrate", "b"),
        ("coldMigrate", "ACTIVE", "cold-migrate", "b"),
        ("coldMigrate", "SHUTOFF", "cold-migrate", "b"),
        ("stopStart", "ACTIVE", "stop and start", ""),
        ("stopStart", "SHUTOFF", "stays", ""),
    ],
)
def test_what_becomes_of_a_server(otherwise: str, status: str, action: str, to: str) -> None:
    found = planned(TWO, [server("web", "a", status=status)], "a", otherwise=otherwise)
    assert moves(found) == {"web": (action, to)}


@pytest.mark.parametrize(
    ("otherwise", "more", "told"),
    [
        ("liveMigrate", {"status": "ERROR"}, "is in ERROR. mend or delete them"),
        ("liveMigrate", {"task": "rebooting"}, "in the middle of an operation. wait"),
        ("liveMigrate", {"status": "RESIZE"}, "in the middle of an operation"),
        ("liveMigrate", {"status": "SUSPENDED"}, "is SUSPENDED, which nova does not move"),
        ("liveMigrate", {"status": "VERIFY_RESIZE"}, "is VERIFY_RESIZE"),
        ("coldMigrate", {"status": "PAUSED"}, "is paused, and so not to be cold-migrated"),
        ("stopStart", {"status": "PAUSED"}, "is paused, and so not to be stopped"),
        ("ask", {}, "is not decided upon: the policy says ask. put a rule above it"),
        ("leave", {}, "is to be left running by the policy"),
    ],
)
def test_what_of_a_server_refuses_its_host(otherwise: str, more: dict[str, Any], told: str) -> None:
    found = planned(TWO, [server("web", "a", **more)], "a", otherwise=otherwise)
    (error,) = errors(found)
    assert told in error
    assert error.startswith("error [servers] a: 1 server (web)")
    assert [one.refused for one in found.hosts] == [True]
    assert moves(found) == {}


@pytest.mark.parametrize("more", [{"status": "ERROR"}, {"task": "rebooting"}])
def test_in_place_too(more: dict[str, Any]) -> None:
    assert errors(planned(TWO, [server("web", "a", **more)], way=Way.IN_PLACE))


def test_ask_is_asked_in_place_too_and_leave_is_done() -> None:
    servers = [server("web", "a"), server("db", "a", tags=("ask",))]
    rules = [{"tag": "ask", "do": "ask"}]
    found = planned(TWO, servers, way=Way.IN_PLACE, rules=rules, otherwise="leave")
    (error,) = errors(found)
    assert "a: 1 server (db) is not decided upon" in error
    assert [one.host.name for one in found.hosts if one.refused] == ["a"]


@pytest.mark.parametrize(
    ("specs", "why"),
    [
        ({"pci_passthrough:alias": "nic:1"}, "it has PCI devices passed through (nic:1)"),
        ({"resources:VGPU": "1"}, "it has a vGPU"),
        ({"hw:mem_encryption": "True"}, "its memory is encrypted"),
        ({"hw:tpm_version": "2.0"}, "it has a TPM"),
    ],
)
def test_what_cannot_be_live_migrated_waits_for_a_rule(specs: dict[str, str], why: str) -> None:
    special = Flavor("special", 1, 1024, 10, extra_specs=specs)
    hosts = [host(name, inventories={"VGPU": Inventory(4)}) for name in ("a", "b")]
    servers = [server("gpu", "a", flavor=special)]
    (error,) = errors(planned(hosts, servers, "a"))
    assert f"not to be live-migrated: {why}" in error
    rules = [{"flavor": "special", "do": "coldMigrate"}]
    assert moves(planned(hosts, servers, "a", rules=rules)) == {"gpu": ("cold-migrate", "b")}


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF"])
def test_a_server_with_a_tpm_is_not_left_on_a_system_that_goes(status: str) -> None:
    sealed = Flavor("sealed", 1, 1024, 10, extra_specs={"hw:tpm_version": "2.0"})
    servers = [server("safe", "a", flavor=sealed, status=status)]
    (error,) = errors(planned(TWO, servers, "a", otherwise="stopStart"))
    assert "is to stay with a TPM, which would go with the old system" in error
    rules = [{"flavor": "sealed", "do": "coldMigrate"}]
    assert moves(planned(TWO, servers, "a", rules=rules)) == {"safe": ("cold-migrate", "b")}
    booted = planned(
        TWO, [*servers, server("web", "b")], "a", way=Way.REBOOT, otherwise="stopStart"
    )
    assert errors(booted) == []  # the system is the same after it


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        (("direct-physical",), "not to be live-migrated: it has a port of type direct-physical"),
        (("direct", "of tomorrow"), "not to be live-migrated: it has a port of type of tomorrow"),
        (("macvtap", "direct"), ""),
    ],
)
def test_a_server_with_a_port_on_a_card(cards: tuple[str, ...], told: str) -> None:
    found = planned(TWO, [server("nic", "a", cards=cards), server("web", "a")], "a")
    assert [told in one for one in errors(found)] == [True] * bool(told)
    if not told:
        why = {one.server.name: one.why for host in found.hosts for one in host.servers}
        assert why["nic"] == "whether a host has cards for its ports (direct, macvtap) free is " + (
            "told by no API"
        )
        assert why["web"] == ""


def test_pinned_cpus_move_live_and_are_named() -> None:
    pinned = Flavor("p", 2, 1024, 1, extra_specs={"hw:cpu_policy": "dedicated"})
    hosts = [host("a"), host("b"), host("c", inventories={"PCPU": Inventory(4)})]
    found = planned(hosts, [server("rt", "a", flavor=pinned)], "a")
    ((one,),) = [host.servers for host in found.hosts]
    assert (one.action, one.to) == (Action.LIVE, "c")
    assert one.why == "whether a host has pinned CPUs free is told by no API"


@pytest.mark.parametrize(
    ("rule", "meets"),
    [
        ({"tag": "x"}, ["tagged"]),
        ({"metadata": "tier=db"}, ["db"]),
        ({"flavor": "small"}, ["tagged", "db", "other"]),
        ({"project": "p2"}, ["other"]),
        ({"project": "named"}, ["other"]),
        ({"zone": "nova"}, ["tagged", "db", "other"]),
        ({"zone": "elsewhere"}, []),
        ({"tag": "x", "project": "p2"}, []),
    ],
)
def test_a_rule_meets_what_meets_all_of_it(rule: dict[str, str], meets: list[str]) -> None:
    servers = [
        server("tagged", "a", tags=("x", "y")),
        server("db", "a", metadata={"tier": "db"}),
        server("other", "a", project="p2"),
    ]
    rules = [{**rule, "do": "coldMigrate"}]
    found = planned(TWO, servers, "a", rules=rules, more={"projects": {"p2": "named"}})
    assert [name for name, (action, _) in moves(found).items() if action == "cold-migrate"] == meets


def test_the_first_rule_counts() -> None:
    rules = [{"tag": "x", "do": "stopStart"}, {"zone": "nova", "do": "coldMigrate"}]
    servers = [server("one", "a", tags=("x",)), server("two", "a")]
    assert moves(planned(TWO, servers, "a", rules=rules)) == {
        "one": ("stop and start", ""),
        "two": ("cold-migrate", "b"),
    }


def test_room_is_kept_as_the_plan_goes_on() -> None:
    hosts = [host("a", used=3), host("b", ram=1024), host("c", ram=2048)]
    found = planned(hosts, [server(f"s{n}", "a") for n in range(3)], "a")
    assert sorted(to for _, to in moves(found).values()) == ["b", "c", "c"]


def test_without_room_a_host_stays_as_it_was_and_takes_nothing() -> None:
    hosts = [host("a", used=2), host("b", used=1, ram=2048), host("c", used=1, ram=2048)]
    servers = [server("a1", "a"), server("a2", "a", flavor=Flavor("big", 1, 4096, 1))]
    servers += [server("b1", "b"), server("c1", "c")]
    found = planned(hosts, servers, batch=1)
    (error,) = errors(found)
    assert "a: 1 server (a2) is without room on any other host. make room" in error
    assert {one.host.name: one.batch for one in found.hosts} == {"b": 1, "c": 2, "a": 0}
    assert moves(found)["b1"][0] == "live-migrate"


def test_a_host_that_stays_takes_others_servers_again() -> None:
    hosts = [host("a", used=2), host("b", used=3), host("c", ram=1024)]
    big = Flavor("big", 1, 9000, 1)
    servers = [server("a1", "a"), server("a2", "a", flavor=big)]
    servers += [server(f"b{n}", "b") for n in range(3)]
    found = planned(hosts, servers, "a", "b", batch=1)
    assert {one.host.name: one.refused for one in found.hosts} == {"b": False, "a": True}
    assert sorted(to for _, to in moves(found).values()) == ["a", "a", "c"]


@pytest.mark.parametrize(
    ("inventory", "fits"),
    [
        (Inventory(1024), True),
        (Inventory(1024, reserved=1), False),
        (Inventory(1025, reserved=1), True),
        (Inventory(600, ratio=2.0), True),
        (Inventory(4096, unit=1000), False),
    ],
)
def test_what_placement_says_is_room(inventory: Inventory, fits: bool) -> None:
    hosts = [host("a", used=1), host("b", inventories={"MEMORY_MB": inventory})]
    assert (errors(planned(hosts, [server("web", "a")], "a")) == []) is fits


def test_a_host_that_is_disabled_or_down_takes_none() -> None:
    hosts = [host("a"), host("b", enabled=False), host("c", up=False), host("d")]
    assert moves(planned(hosts, [server("web", "a")], "a")) == {"web": ("live-migrate", "d")}


def test_renewed_hosts_take_first_so_that_servers_move_once() -> None:
    hosts = [host(name) for name in "abcd"]
    servers = [server("b1", "b"), *(server(f"c{n}", "c") for n in range(2))]
    servers += [server(f"d{n}", "d") for n in range(3)]
    found = planned(hosts, servers, batch=1)
    assert [one.host.name for one in found.hosts] == ["a", "b", "c", "d"]
    assert found.actions == {Action.LIVE: 6}
    assert {to for _, to in moves(found).values()} == {"a", "b", "c"}


def test_a_zone_that_was_asked_for_is_kept() -> None:
    hosts = [host("a", "z1"), host("b", "z2"), host("c", "z1", ram=1024)]
    servers = [server("free", "a"), server("free2", "a"), server("bound", "a", zone="z1")]
    (error,) = errors(planned(hosts, servers, "a"))
    assert "(bound) is without room" in error
    assert moves(planned(hosts, servers[:2], "a")) == {
        "free": ("live-migrate", "c"),
        "free2": ("live-migrate", "b"),
    }


@pytest.mark.parametrize(
    ("specs", "to"),
    [
        ({"trait:CUSTOM_SSD": "required"}, "c"),
        ({"trait:CUSTOM_SSD": "forbidden"}, "b"),
        ({"aggregate_instance_extra_specs:ssd": "yes"}, "c"),
    ],
)
def test_traits_and_aggregates_are_met(specs: dict[str, str], to: str) -> None:
    hosts = [host("a"), host("b"), host("c", traits=["CUSTOM_SSD"])]
    flavor = Flavor("f", 1, 1024, 1, extra_specs=specs)
    more = {"aggregates": (Aggregate("fast", frozenset({"c"}), {"ssd": "yes"}),)}
    found = planned(hosts, [server("web", "a", flavor=flavor)], "a", more=more)
    assert moves(found) == {"web": ("live-migrate", to)}


def test_hosts_that_some_servers_need_are_not_filled_with_others() -> None:
    fast = Flavor("fast", 1, 1024, 10, extra_specs={"trait:CUSTOM_FAST": "required"})
    hosts = [host("b", ram=1024, traits={"CUSTOM_FAST"}), host("a"), host("c")]
    servers = [server("any", "a"), server("asks", "a", flavor=fast)]
    found = planned(hosts, servers, "a")
    assert moves(found) == {"any": ("live-migrate", "c"), "asks": ("live-migrate", "b")}


def test_an_aggregate_for_some_projects_takes_no_others() -> None:
    hosts = [host("a"), host("b"), host("c")]
    aggregate = Aggregate("theirs", frozenset({"b"}), {"filter_tenant_id": "p8, p9"})
    servers = [server("ours", "a"), server("theirs", "a", project="p9")]
    found = planned(hosts, servers, "a", more={"aggregates": (aggregate,)})
    assert moves(found)["ours"][1] == "c"
    only = planned(hosts[:2], [servers[0]], "a", more={"aggregates": (aggregate,)})
    assert "without another host in their zone that has the traits" in errors(only)[0]


@pytest.mark.parametrize(
    "other",
    [{"version": 9}, {"vendor": "AMD"}, {"architecture": "aarch64"}, {"hypervisor": "LXC"}, {}],
)
def test_a_host_that_cannot_take_a_running_server(other: dict[str, Any]) -> None:
    known: dict[str, Any] = {"version": 10, "vendor": "Intel", "architecture": "x86_64"}
    hosts = [host("a", traits=AVX, **known)]
    hosts.append(host("b", traits=AVX if other else (), **{**known, **other}))
    (error,) = errors(planned(hosts, [server("web", "a")], "a"))
    if set(other) & {"architecture", "hypervisor"}:
        assert "without another host" in error
    else:
        assert "no other host has such a CPU and QEMU" in error
        cold = planned(hosts, [server("web", "a")], "a", otherwise="coldMigrate")
        assert moves(cold) == {"web": ("cold-migrate", "b")}


def test_a_newer_qemu_and_a_richer_cpu_take_it() -> None:
    hosts = [host("a", version=10), host("b", version=11, traits=AVX)]
    assert moves(planned(hosts, [server("web", "a")], "a")) == {"web": ("live-migrate", "b")}


def test_members_of_an_anti_affinity_group_stay_apart() -> None:
    group = Group("g", "anti-affinity")
    hosts = [host(name) for name in "abc"]
    servers = [server("one", "a", group=group), server("two", "b", group=group)]
    assert moves(planned(hosts, servers, "a"))["one"] == ("live-migrate", "c")
    assert "(one) is without room" in errors(planned(hosts[:2], servers, "a"))[0]
    loose = [server("one", "a", group=(two := Group("g", "anti-affinity", 2)))]
    loose += [server("two", "b", group=two)]
    assert moves(planned(hosts[:2], loose, "a"))["one"] == ("live-migrate", "b")


def test_members_of_an_affinity_group_hold_each_other() -> None:
    group = Group("g", "affinity")
    pair = [server("one", "a", group=group), server("two", "a", group=group)]
    assert (
        "2 servers (one, two) are held by the other members" in errors(planned(TWO, pair, "a"))[0]
    )
    assert errors(planned(TWO, pair, "a", otherwise="stopStart")) == []
    assert errors(planned(TWO, pair[:1], "a")) == []


def test_the_last_enabled_host_of_a_zone() -> None:
    """It is never emptied, and in place it is only closed where it was named."""
    hosts = [host("a", "z1"), host("b", "z1", enabled=False), host("c", "z2"), host("d", "z2")]
    (error,) = errors(planned(hosts, []))
    assert "a: it is the last enabled host of zone z1 and must be emptied" in error
    (error,) = errors(planned(hosts, WEB, way=Way.IN_PLACE))
    assert "a: it is the last enabled host of zone z1: no new server" in error
    facts, decided = Facts(tuple(hosts), tuple(WEB)), Settle.model_validate({"canary": 0})
    found = plan.make(facts, decided, Way.IN_PLACE, ["a"], meant=["a"])
    assert errors(found) == []
    (told,) = (one for one in found.findings if one.check == "zone")
    assert (told.severity, told.where) == (Severity.WARNING, "a")
    assert "no new server can be made in it for about 170 s" in told.message


def test_what_would_forbid_to_renew_a_host_that_is_done_forbids_nothing() -> None:
    names = ["a", "b", "c"]
    hosts = [host("a"), replace(host("b"), up=False), host("c")]
    servers = [server("web", "c"), server("broken", "a", kind=Kind.ERROR)]
    decided = Settle.model_validate({"otherwise": "liveMigrate"})
    facts = Facts(tuple(hosts), tuple(servers))
    assert plan.make(facts, decided, Way.IN_PLACE, names).hosts[-1].refused
    found = plan.make(facts, decided, Way.IN_PLACE, names, already={"a", "b"})
    assert errors(found) == []
    assert found.already == ("a", "b")
    (one,) = found.hosts
    assert (one.host.name, one.last, moves(found)["web"][1]) == ("c", True, "a")
    assert [one.severity for one in found.findings if one.check == "no-return"] == [
        Severity.WARNING
    ]
    assert plan.make(facts, decided, Way.IN_PLACE, ["a"], already={"a", "b"}).hosts == ()


def test_a_host_that_is_down() -> None:
    found = planned([host("a", up=False), host("b"), host("c")], WEB, way=Way.IN_PLACE)
    (error,) = errors(found)
    assert "a: nova-compute is down there" in error
    assert [one.host.name for one in found.hosts] == ["b", "c", "a"]


def test_instance_ha_that_is_at_work() -> None:
    (error,) = errors(planned(TWO, WEB, more={"recovery": ("rack1",)}, way=Way.IN_PLACE))
    assert "instance-HA is at work for rack1" in error


def test_where_no_new_server_can_be_booted_it_is_told_before() -> None:
    hosts = [
        host("full", ram=4096, used=4),
        host("free"),
        host("theirs", enabled=False, reason="a broken fan"),
        host("begun", enabled=False, reason=service.REASON),
    ]
    found = planned(hosts, WEB, way=Way.IN_PLACE)
    told = {one.where: one.message for one in found.findings if one.check == "proof"}
    assert sorted(told) == ["full", "theirs"]
    assert "it has no room" in told["full"]
    assert "it is closed by somebody" in told["theirs"]
    assert errors(found) == []
    assert len(found.batches) > 0
    for home in (True, False):  # who leaves makes room
        away = planned(
            hosts[:2],
            [server(f"w{n}", "full") for n in range(4)],
            *("full", "free"),
            way=Way.IN_PLACE,
            rules=[{"zone": "nova", "do": "liveMigrate", "home": home}],
            batch=1,
        )
        assert not [one for one in away.findings if one.check == "proof"]


def test_without_a_server_that_a_new_one_could_be_like_nothing_begins() -> None:
    off = server("web", "a", status="SHUTOFF")
    (error,) = errors(planned(TWO, [off], way=Way.IN_PLACE))
    assert "boot one server by hand" in error


@pytest.mark.parametrize("from_volume", [True, False])
def test_a_new_server_that_boots_from_a_volume_needs_no_room_on_the_host_s_disk(
    from_volume: bool,
) -> None:
    hosts = [host(name, inventories={"DISK_GB": Inventory(0)}) for name in "ab"]
    found = planned(hosts, [server("web", "a", volume_booted=from_volume)], way=Way.IN_PLACE)
    unproven = {one.where for one in found.findings if one.check == "proof"}
    assert unproven == (set() if from_volume else {"a", "b"})


def test_a_disk_that_must_outlast_a_reinstall_is_named() -> None:
    servers = [server("disk", "a"), server("volume", "a", volume_booted=True)]
    found = planned(TWO, servers, "a", otherwise="stopStart")
    (warning,) = (one for one in found.findings if one.check == "disks")
    assert warning.severity is Severity.WARNING
    assert warning.message.startswith("1 server (disk) would stay")


def test_canary_then_batches_zone_by_zone_the_emptiest_first() -> None:
    hosts = [host(f"{zone}{n}", zone) for zone in ("z2", "z1") for n in range(5)]
    load = {"z10": 9, "z11": 8, "z12": 1}
    opened = {"z1": 5, "z2": 5}
    order = batches.of(hosts, load, opened, canary=1, size=3)
    names = [[one.name for one in together] for together in order]
    assert names == [["z13"], ["z14", "z12", "z11"], ["z10"], ["z20", "z21", "z22"], ["z23", "z24"]]


def test_a_batch_leaves_a_host_of_its_zone_open() -> None:
    hosts = [host(name) for name in "abc"]
    order = batches.of(hosts, {}, {"nova": 3}, canary=0, size=9)
    assert [len(together) for together in order] == [2, 1]


def test_the_last_host_has_no_way_back_and_is_only_last_where_all_are_planned() -> None:
    hosts = [host(name) for name in "abc"]
    found = planned(hosts, [], way=Way.IN_PLACE)
    assert [one.last for one in found.hosts] == [False, False, True]
    assert any(one.check == "no-return" for one in found.findings if one.severity == "warning")
    assert not any(one.last for one in planned(hosts, [], "a", "b").hosts)
    broken = planned(hosts, [server("bad", "a", status="ERROR")])
    assert not any(one.last for one in broken.hosts)


def test_seconds_of_a_host_of_a_batch_and_of_the_whole() -> None:
    renewal = estimates.RENEWALS[Way.REINSTALL]
    one, five = {Action.LIVE: 1}, {Action.LIVE: 5}
    assert estimates.batch([one], Way.REINSTALL, 2, 10) == 30 + renewal
    assert estimates.batch([five], Way.REINSTALL, 2, 10) == 5 * 50 / 2 + renewal
    assert estimates.batch([five] * 4, Way.REINSTALL, 5, 10) == 2 * 50 + renewal
    assert estimates.batch([{Action.STOP: 2}], Way.REINSTALL, 2, 10) == 63 + renewal + 20
    assert estimates.batch([{Action.STAYS: 9}], Way.IN_PLACE, 2, 10) == 170
    found = planned([host(n) for n in "abc"], [], way=Way.IN_PLACE, batch=1, pauseSeconds=60)
    assert found.seconds == 3 * 170 + 2 * 60


def test_what_a_volume_s_image_takes_to_copy_counts_for_each_probe_that_boots_from_one() -> None:
    without = estimates.probes(5, 0, 3.0)
    assert estimates.probes(5, 2, 3.0) - without == 2 * 3 * estimates.COPY_SECONDS


@pytest.mark.parametrize(
    ("flavor", "properties", "both"),
    [
        ({}, {"hw_cpu_policy": "dedicated"}, {"hw:cpu_policy": "dedicated"}),
        (
            {"hw:cpu_policy": "dedicated"},
            {"hw_cpu_policy": "shared"},
            {"hw:cpu_policy": "dedicated"},
        ),
        ({"hw:mem_page_size": "any"}, {"hw_mem_page_size": 2048}, {"hw:mem_page_size": "2048"}),
        ({}, {"trait:X": "required", "trait:Y": "forbidden"}, {"trait:X": "required"}),
        ({}, {"hw_firmware_type": "uefi", "hw_vif_multiqueue_enabled": "true"}, {}),
    ],
)
def test_what_an_image_asks_for_beside_the_flavor(
    flavor: dict[str, str], properties: dict[str, Any], both: dict[str, str]
) -> None:
    assert images.merged(flavor, images.asked(properties)) == both


def test_secure_boot_is_asked_of_a_host_and_an_image_that_is_not_known_is_said() -> None:
    safe = Flavor("safe", 1, 1024, 10, extra_specs=images.asked({"os_secure_boot": "required"}))
    dark = replace(SMALL, image_known=False)
    able = host("c", traits={"COMPUTE_SECURITY_UEFI_SECURE_BOOT"})
    servers = [server("safe", "a", flavor=safe), server("dark", "a", flavor=dark)]
    found = planned([*TWO, able], servers, "a")
    assert moves(found)["safe"] == ("live-migrate", "c")
    why = {one.server.name: one.why for host in found.hosts for one in host.servers}
    assert why == {"safe": "", "dark": "what its image asks for is not known"}


def test_what_a_flavor_asks_of_placement() -> None:
    specs = {"resources:VGPU": "2", "resources:VCPU": "0", "trait:HW_X": "required", "hw:x": "y"}
    flavor = Flavor("f", 4, 2048, 20, ephemeral=5, swap=1025, extra_specs=specs)
    asked = needs.of(flavor, volume_booted=True)
    assert asked.amounts == (("DISK_GB", 7), ("MEMORY_MB", 2048), ("VGPU", 2))
    assert asked.required == {"HW_X"}
    assert dict(needs.of(flavor, volume_booted=False).amounts)["DISK_GB"] == 27


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"hosts": ["a", "x"]}, "--host x: nova knows no such compute host"),
        ({"zone": "mars"}, "--zone mars: no compute host is in it; there are: nova"),
        ({"without": ["x"]}, "--except x: nova knows no such compute host"),
        ({"hosts": ["a"], "without": ["a"]}, "--host, --zone and --except exclude each other"),
    ],
)
def test_what_there_is_not_is_an_error_of_usage(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        settle.selected(Facts(TWO, ()), settle.Asked(**asked))


def test_the_command_line_goes_over_the_stack_file() -> None:
    asked = settle.Asked(hosts=["b"], canary=0, batch=7)
    decided = asked.over(Settle(stop_after=3))
    assert (decided.canary, decided.batch, decided.stop_after) == (0, 7, 3)
    assert settle.selected(Facts(TWO, ()), asked) == {"b"}


def test_where_servers_go_is_told_by_the_host_that_they_leave() -> None:
    """One that is moved twice goes on from where it came to."""
    hosts = [host("a"), host("b"), host("c", enabled=False)]
    found = planned(hosts, [server("web", "a"), server("db", "b")], "a", "b", batch=1)
    assert found.places == {("a", "web"): "b", ("b", "web"): "a", ("b", "db"): "a"}


def test_one_that_is_left_out_forbids_nothing_to_the_others() -> None:
    """It stays on the old release, and counts as such: with it there is a way back."""
    hosts = (host("a"), host("b"), host("dead", up=False))
    names = settle.selected(Facts(hosts, ()), settle.Asked(without=["dead"]))
    found = planned(hosts, WEB, *names, way=Way.IN_PLACE)
    assert errors(found) == []
    assert [one.host.name for one in found.hosts] == ["a", "b"]
    assert not any(one.last for one in found.hosts)


def test_states_and_kinds() -> None:
    assert kind_of("ACTIVE", "") is Kind.RUNNING
    assert kind_of("SHELVED", "") is Kind.HELD
    assert kind_of("BUILD", "") is Kind.BUSY
    assert kind_of("ERROR", "deleting") is Kind.BUSY
