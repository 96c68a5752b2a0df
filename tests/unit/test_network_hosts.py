"""What is done on a host with network agents, by commands that are written down here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrate.onhost import agent_units, handed_over, namespaces, record, switch, systemd

SPACE = "qrouter-r1"
DEVICES = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
    {
        "ifname": "qr-6f1c2d3e-4a",
        "addr_info": [
            {"local": "10.7.0.1", "prefixlen": 24, "scope": "global"},
            {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
            {"local": "fd00:0007::1", "prefixlen": 64, "scope": "global"},
        ],
    },
    {
        "ifname": "qg-aaaa2d3e-4a",
        "addr_info": [
            {"local": "192.0.2.9", "prefixlen": 24, "scope": "global"},
            {"local": "192.0.2.10", "prefixlen": 32, "scope": "global"},
        ],
    },
]


class Commands:
    """Answers by the words that a command begins with, and notes what it was asked."""

    def __init__(self, **answers: str) -> None:
        self.answers, self.asked = answers, list[str]()

    def __call__(self, *argv: str, check: bool = True, stdin: str = "") -> str:
        told = " ".join(argv)
        self.asked.append(told)
        fits = [one for one in self.answers if told.startswith(one)]
        return self.answers[max(fits, key=len)] if fits else ""


Script = Callable[..., Commands]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    """Makes the host's commands; notes go to a folder of the test."""
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")

    def make(**answers: str) -> Commands:
        commands = Commands(**answers)
        for module in (namespaces, agent_units, switch, systemd):
            monkeypatch.setattr(module, "run", commands)
        return commands

    return make


@pytest.fixture
def router(script: Script) -> Commands:
    spaces = f"{SPACE} (id: 0)\nmine\nqdhcp-n1 (id: 1)\n"
    found = script(**{"ip netns list": spaces, f"ip -n {SPACE}": json.dumps(DEVICES)})
    wire(found, **{"br-int": ["set", []], "qr-6f1c2d3e-4a": 1, "tapaaaa2d3e-4a": 2})
    return found


def wire(commands: Commands, **tags: Any) -> None:
    """Have Open vSwitch tell the VLAN of each port; the outer one is a pair's end."""
    rows = json.dumps({"data": [list(one) for one in tags.items()]})
    commands.answers["ovs-vsctl --format=json --columns=name,tag list Port"] = rows


def test_a_router_is_told_by_its_devices_and_addresses(router: Commands) -> None:
    assert namespaces.spaces() == ["qdhcp-n1", SPACE]
    assert namespaces.devices(SPACE) == {
        "qr-6f1c2d3e-4a": ["10.7.0.1/24", "fd00:0007::1/64"],
        "qg-aaaa2d3e-4a": ["192.0.2.9/24", "192.0.2.10/32"],
    }
    assert namespaces.addresses(SPACE) == ["10.7.0.1", "192.0.2.10", "192.0.2.9", "fd00:7::1"]
    assert namespaces.addresses("qrouter-none") == []


def test_what_stands_is_told_but_what_is_not_wired(router: Commands) -> None:
    router.answers |= {
        "ovs-vsctl list-br": "br-int\n",
        "ovs-vsctl list-ports br-int": "tapaaaa2d3e-4a\nqr-6f1c2d3e-4a\nint-br-phy\n",
        f"ip netns pids {SPACE}": str(os.getpid()),
        "ip -n qdhcp-n1": json.dumps(
            [
                {"ifname": "lo", "addr_info": []},
                {"ifname": "tap11112d3e-4a", "addr_info": [{"local": "10.7.0.2", "prefixlen": 24}]},
            ]
        ),
    }
    told = namespaces.standing()
    assert told["ports"] == ["qr-6f1c2d3e-4a", "tapaaaa2d3e-4a"]
    assert told["spaces"] == {
        "qdhcp-n1": {"processes": [], "devices": {"tap11112d3e-4a": ["10.7.0.2/24"]}},
        SPACE: {"processes": [], "devices": namespaces.devices(SPACE)},
    }
    wire(router, **{"qr-6f1c2d3e-4a": 1, "tapaaaa2d3e-4a": 4095})
    told = namespaces.standing()
    assert told["ports"] == ["qr-6f1c2d3e-4a"]
    assert set(told["spaces"][SPACE]["devices"]) == {"qr-6f1c2d3e-4a"}


def test_a_router_is_whole_when_it_has_all_that_is_wanted(router: Commands) -> None:
    seen = namespaces.watch(SPACE, ["10.7.0.1"], 0)
    assert seen["missing"] == []
    assert seen["first"] == seen["whole"]
    seen = namespaces.watch(SPACE, ["10.7.0.1", "192.0.2.99"], 0)
    assert (seen["missing"], seen["whole"]) == (["192.0.2.99"], None)
    assert seen["first"] is not None


@pytest.mark.parametrize(
    ("inner", "outer", "missing"),
    [
        (1, 4095, ["192.0.2.10", "192.0.2.9"]),
        (4095, 2, ["10.7.0.1", "fd00:7::1"]),
        (["set", []], ["set", []], []),
    ],
)
def test_an_address_that_nothing_reaches_yet_is_not_there(
    router: Commands, inner: Any, outer: Any, missing: list[str]
) -> None:
    wanted = namespaces.addresses(SPACE)
    wire(router, **{"qr-6f1c2d3e-4a": inner, "tapaaaa2d3e-4a": outer})
    assert namespaces.watch(SPACE, wanted, 0)["missing"] == missing
    assert set(wanted) - set(namespaces.addresses(SPACE)) == {*missing}


def test_clearing_takes_the_ports_at_once_and_the_space_last(router: Commands) -> None:
    namespaces.clear(SPACE, ["qr-6f1c2d3e-4a", "qr-gone2d3e-4a"])
    acts = [one for one in router.asked if "del" in one]
    assert len(acts) == 2
    assert acts[0].count("--if-exists del-port") == 6
    for port in ("qg-aaaa2d3e-4a", "tapaaaa2d3e-4a", "tap6f1c2d3e-4a", "qr-gone2d3e-4a"):
        assert f"del-port {port}" in acts[0]
    assert acts[1] == f"ip netns delete {SPACE}"


def test_clearing_what_is_gone_asks_for_nothing(router: Commands) -> None:
    namespaces.clear("qrouter-none", [])
    assert not [one for one in router.asked if "del" in one]


def test_what_is_left_is_named(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script(
        **{
            "ip netns list": "qdhcp-n1 (id: 1)\n",
            "ovs-vsctl list-br": "br-int\nbr-phy\n",
            "ovs-vsctl list-ports br-int": "int-br-phy\ntap1\nqr-2\n",
            "ovs-vsctl list-ports br-phy": "phy0\n",
        }
    )
    monkeypatch.setattr(namespaces, "_pids", lambda _: [1, 2])
    monkeypatch.setattr(namespaces, "_name", {1: "dnsmasq", 2: "bash"}.get)
    assert namespaces.left() == [
        *("name space qdhcp-n1", "dnsmasq in qdhcp-n1", "port tap1", "port qr-2")
    ]
    monkeypatch.setattr(shutil, "which", lambda _: None)  # no Open vSwitch, no ports of it
    assert namespaces.left() == ["name space qdhcp-n1", "dnsmasq in qdhcp-n1"]


def test_what_was_noted_once_keeps_its_devices(script: Script) -> None:
    listed = {"ip netns list": "qrouter-r1 (id: 0)", "ip -n qrouter-r1": json.dumps(DEVICES)}
    commands = script(**listed)
    handed_over.note("routers", ["r1"])
    handed_over.note("networks", ["n1"])
    commands.answers.clear()
    handed_over.note("routers", ["r1", "r2"])
    devices = ["qr-6f1c2d3e-4a", "qg-aaaa2d3e-4a"]
    assert handed_over.noted() == {"routers": {"r1": devices, "r2": []}, "networks": {"n1": []}}
    handed_over.forget("routers")
    assert handed_over.noted() == {"networks": {"n1": []}}
    handed_over.forget("networks")
    assert not Path(record.FOLDER).exists()


Units = dict[str, dict[str, str]]


def unit(**more: str) -> dict[str, str]:
    plain = {"ActiveState": "active", "MainPID": "77", "UnitFileState": "enabled"}
    return {**plain, "LoadState": "loaded", "KillMode": "process", **more}


@pytest.fixture
def units(script: Script, monkeypatch: pytest.MonkeyPatch) -> tuple[Units, Commands]:
    """Two agents of systemd, one of which was off; the commands act on them."""
    commands = script()
    there = {
        "neutron-l3-agent.service": unit(),
        "neutron-dhcp-agent.service": unit(ActiveState="inactive", UnitFileState="disabled"),
    }

    def show(names: Any) -> Units:
        return {one: there[one] for one in map(systemd.full, names) if one in there}

    def act(*argv: str, check: bool = True, stdin: str = "") -> str:
        commands(*argv)
        changes = {
            "stop": {"ActiveState": "inactive", "MainPID": "0"},
            "start": {"ActiveState": "active", "MainPID": "78"},
            "disable": {"UnitFileState": "disabled"},
            "enable": {"UnitFileState": "enabled"},
            "mask": {"LoadState": "masked", "UnitFileState": "masked"},
            "unmask": {"LoadState": "loaded", "UnitFileState": "disabled"},
        }
        for name in argv[2:]:
            if name in there:
                there[name].update(changes.get(argv[1], {}))
        return ""

    monkeypatch.setattr(systemd, "show", show)
    for module in (agent_units, systemd):
        monkeypatch.setattr(module, "run", act)
    return there, commands


NAMES = ["neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"]


def test_agents_retire_for_good_and_come_back_as_they_were(
    units: tuple[Units, Commands],
) -> None:
    there, _ = units
    assert systemd.active(NAMES) == ["neutron-l3-agent.service"]
    assert not agent_units.retired(NAMES)
    assert agent_units.resting() == []
    agent_units.retire(NAMES, 5)
    agent_units.retire(NAMES, 5)  # a run that died does it again
    assert agent_units.retired(NAMES)
    assert agent_units.resting() == ["neutron-l3-agent.service"]
    assert agent_units.restore(5) == []
    assert agent_units.resting() == ["neutron-l3-agent.service"]
    agent_units.forget()
    assert agent_units.resting() == []
    assert {name: one["ActiveState"] for name, one in there.items()} == {
        "neutron-l3-agent.service": "active",
        "neutron-dhcp-agent.service": "inactive",
    }
    assert {one["UnitFileState"] for one in there.values()} == {"enabled", "disabled"}
    assert agent_units.restore(5) == []


def test_stopping_kills_only_a_main_process_that_hangs(
    units: tuple[Units, Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, commands = units
    hangs = [dict(there["neutron-l3-agent.service"])] * 3

    def show(_: Any) -> Units:
        return {"neutron-l3-agent.service": hangs.pop() if hangs else unit(ActiveState="failed")}

    monkeypatch.setattr(systemd, "show", show)
    agent_units.stop(["neutron-l3-agent"], 0)
    assert [one for one in commands.asked if "kill" in one] == ["kill -KILL 77"] * 2


def test_what_stands_still_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        monkeypatch.setattr(
            systemd, "show", lambda _: {"x.service": unit(MainPID=str(process.pid))}
        )
        assert not agent_units.thaw("x")
        agent_units.freeze("x")
        os.waitpid(process.pid, os.WUNTRACED)
        assert agent_units.thaw("x")
        process.kill()
    assert agent_units._state(str(process.pid)) == ""
    assert not agent_units.thaw("x")


def test_a_new_timer_stands_before_the_one_before_it_goes(script: Script) -> None:
    listed = "migrate-resume-1.timer loaded active waiting\n"
    commands = script(**{"systemctl list-units": listed})
    agent_units.arm(180, "neutron-l3-agent", "neutron-openvswitch-agent")
    agent_units.disarm()
    armed, *stops = [one for one in commands.asked if "list-units" not in one]
    assert armed.startswith("systemd-run -q --collect --unit=migrate-resume-")
    assert "--on-active=180 --timer-property=AccuracySec=1s" in armed
    assert armed.endswith("neutron-openvswitch-agent.service neutron-l3-agent.service")
    assert stops == ["systemctl stop migrate-resume-1.timer"] * 2


def test_the_switch_is_as_it_was(script: Script) -> None:
    commands = script(
        **{
            "ovs-vsctl list-br": "br-phy\n",
            "ovs-vsctl list-ports br-phy": "phy0\n",
            "ovs-vsctl get-fail-mode br-phy": "",
        }
    )
    assert not switch.noted()
    switch.note()
    assert switch.noted()
    commands.answers |= {
        "ovs-vsctl list-br": "br-int\nbr-phy\n",
        "ovs-vsctl list-ports br-phy": "phy0\nphy-br-phy\nadded\n",
        "ovs-vsctl --if-exists get Interface phy-br-phy type": "patch\n",
    }
    switch.note()  # a run that died notes nothing anew
    switch.restore()
    acts = [one for one in commands.asked if any(word in one for word in ("del-", "set-"))]
    assert acts == [
        "ovs-vsctl --if-exists del-br br-int",
        "ovs-vsctl --if-exists del-port br-phy phy-br-phy",
        "ovs-vsctl del-fail-mode br-phy",
        "ovs-vsctl del-controller br-phy",
    ]
    assert not switch.noted()
    switch.restore()


def test_what_leads_out_of_a_host_is_told_by_bridge(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ["map", [["iface-id", "9c1f"], ["vm-uuid", "77aa"]]]
    none: Any = ["map", []]
    rows = [
        *(["eth1", "", none], ["eth2", "system", none], ["tap9c1f", "", ids]),
        *(["int-br-phy", "patch", none], ["vxlan-0a", "vxlan", none], ["br-phy", "internal", none]),
    ]
    script(
        **{
            "ovs-vsctl list-br": "br-int\nbr-phy\n",
            "ovs-vsctl list-ifaces br-int": "int-br-phy\ntap9c1f\nvxlan-0a\n",
            "ovs-vsctl list-ifaces br-phy": "eth1\neth2\nphy-br-phy\n",
            "ovs-vsctl --format=json": json.dumps({"data": rows}),
        }
    )
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/ovs-vsctl")
    assert switch.uplinks() == {"br-int": [], "br-phy": ["eth1", "eth2"]}
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert switch.uplinks() == {}
