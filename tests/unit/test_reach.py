"""What a compute host must reach before it comes over, and what its files may not name."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.computes import reach
from migrate.engine.finding import Finding, Severity
from migrate.onhost import reach as prober
from tests.unit import fakes

NOVA = """[DEFAULT]
transport_url = rabbit://nova:10.0.0.2@10.0.0.9:5672/
[glance]
api_servers = http://10.0.0.9:9292
[vnc]
novncproxy_base_url = http://192.0.2.1:6080/vnc_auto.html
[api_database]
connection = mysql+pymysql://nova:secret@10.0.0.9/nova_api
"""
SWITCH = "[agent]\ntunnel_types = vxlan\n[ovs]\nlocal_ip = 10.1.0.3\n"
CONTROLLERS = {
    "old": {"name": "ctl-old", "aliases": [], "addresses": ["10.0.0.2/24", "10.5.0.2/24"]},
    "new": {"name": "ctl-new", "aliases": [], "addresses": ["10.0.0.12/24"]},
    "new2": {"name": "ctl-new2", "aliases": [], "addresses": ["10.0.0.13/24"]},
}


class Machine(fakes.FakeHost):
    """One that answers by `shut`, `lost` and `texts`, and notes which ports it was asked for."""

    def __init__(self, name: str, address: str, *, dead: bool = False) -> None:
        super().__init__(name, dead=dead)
        self.address = address
        self.texts: dict[str, str] = {}
        self.shut: dict[tuple[str, int], str] = {}
        self.lost: dict[str, str] = {}
        self.shares: list[list[str]] = []
        self.tried: list[tuple[str, int]] = []

    def python(
        self,
        source: str,
        payload: object = None,
        timeout: float = 60,
        interpreter: Sequence[str] = (),
    ) -> Any:
        super().python(source, payload, timeout, interpreter)
        assert isinstance(payload, dict)
        (asked, *_) = payload["arguments"] or [None]
        if payload["function"] == "ports":
            self.tried += [(address, port) for address, port in asked]
            return [self.shut.get((address, port), "open") for address, port in asked]
        answers: dict[str, Any] = {
            "facts": CONTROLLERS.get(self.name),
            "read": self.texts,
            "packets": [self.lost.get(one, "whole") for one in asked or []],
            "shares": self.shares,
        }
        if source.startswith("# configured.read"):
            return {"texts": self.texts, "given": {"my_ip": self.address, "host": self.name}}
        return answers[payload["function"]]


@pytest.fixture
def machines() -> dict[str, Machine]:
    addresses = {"old": "10.0.0.2", "cmp1": "10.0.0.3", "cmp2": "10.0.0.4"}
    addresses |= {"new": "10.0.0.12", "new2": "10.0.0.13"}
    found = {name: Machine(name, address) for name, address in addresses.items()}
    for name in ("cmp1", "cmp2"):
        found[name].texts = {"/etc/nova/nova.conf": NOVA}
    return found


@pytest.fixture
def context(tmp_path: Path, machines: dict[str, Machine]) -> Context:
    found, _ = fakes.context(tmp_path)
    old, new = (machines["old"],), (machines["new"], machines["new2"])
    computes = (machines["cmp1"], machines["cmp2"])
    return replace(
        found,
        source=replace(found.source, controllers=old, computes=computes),
        target=replace(found.target, controllers=new),
    )


def findings(context: Context, *names: str) -> list[Finding]:
    asked = names or ("cmp1",)
    return reach.computes(context, [one for one in context.source.computes if one.name in asked])


def told(context: Context, *names: str) -> list[str]:
    found = findings(context, *names)
    assert all(one.severity is Severity.ERROR for one in found)
    return [f"{one.where}: {one.message}" for one in found]


def test_a_host_that_reaches_all_and_names_nobody(
    context: Context, machines: dict[str, Machine]
) -> None:
    assert told(context, "cmp1", "cmp2") == []
    tried = set(machines["cmp1"].tried)
    assert {("10.0.0.12", 5672), ("10.0.0.13", 8774), ("10.0.0.12", 8775)} <= tried
    assert {("10.0.0.9", 5672), ("10.0.0.9", 9292)} <= tried
    # neither a database nor what only users call
    assert not [one for one in tried if one[1] == 3306 or one[0] == "192.0.2.1"]


def test_an_old_controllers_own_address_is_named_by_file_and_line(
    context: Context, machines: dict[str, Machine]
) -> None:
    machines["cmp1"].texts = {
        "/etc/nova/nova.conf": NOVA.replace("@10.0.0.9:5672", "@10.0.0.2:5672"),
        "/etc/neutron/neutron.conf": "[DEFAULT]\n\nhelp = http://10.5.0.2/ , http://ctl-old:1/\n",
    }
    one, two = findings(context)
    assert one.message.startswith("/etc/neutron/neutron.conf:3 help names 10.5.0.2, ctl-old, ")
    assert two.message.startswith("/etc/nova/nova.conf:2 transport_url names 10.0.0.2, ")
    assert "Name the virtual IP there, or 10.0.0.12, and restart" in two.remedy


def test_ports_that_do_not_answer(context: Context, machines: dict[str, Machine]) -> None:
    machines["cmp1"].shut = {
        ("10.0.0.12", 5672): "timeout",
        ("10.0.0.13", 9292): "refused",  # the daemon listens at the virtual IP only
        ("10.0.0.9", 9292): "refused",
    }
    assert told(context) == [
        "cmp1: new (10.0.0.12) cannot be reached on port 5672: timeout",
        "cmp1: 10.0.0.9 does not answer on port 9292: refused; /etc/nova/nova.conf:4 api_servers",
    ]


def test_tunnels_carry_whole_packets(context: Context, machines: dict[str, Machine]) -> None:
    machines["new2"].texts = {reach.SWITCH: SWITCH.replace("10.1.0.3", "10.1.0.13")}
    machines["cmp1"].lost = machines["cmp2"].lost = {"10.1.0.13": "8972"}
    machines["cmp1"].texts = {reach.SWITCH: SWITCH}
    assert told(context, "cmp1", "cmp2") == [
        "cmp1: packets of 8972 bytes to 10.1.0.13 get lost, small ones do not"
    ]
    machines["cmp1"].lost = {"10.1.0.13": "unknown", "10.0.0.12": "1472"}
    assert told(context) == ["cmp1: packets of 1472 bytes to 10.0.0.12 get lost, small ones do not"]


def test_shares_of_volumes(context: Context, machines: dict[str, Machine]) -> None:
    machines["cmp1"].shares = [["/mnt/a", "10.0.0.2"], ["/var/lib/nova/mnt/b", "10.0.0.50"]]
    (kept,) = findings(context)
    assert kept.severity is Severity.WARNING
    assert kept.message == "/mnt/a is served by 10.0.0.2, an old controller: it must stay as it is"
    machines["cmp1"].shares.pop(0)
    machines["cmp1"].shut = {("10.0.0.50", 2049): "EHOSTUNREACH"}
    assert told(context) == [
        "cmp1: 10.0.0.50, which serves /var/lib/nova/mnt/b, does not answer on port 2049: "
        "EHOSTUNREACH"
    ]
    machines["cmp1"].shares = [["/mnt/backup", "10.0.0.50"]]
    (kept,) = findings(context)
    assert kept.severity is Severity.WARNING


def test_one_that_is_away_costs_the_others_nothing(
    context: Context, machines: dict[str, Machine]
) -> None:
    machines["cmp1"].dead = True
    machines["cmp2"].lost = {"10.0.0.13": "1472"}
    assert told(context, "cmp1", "cmp2") == [
        "cmp2: packets of 1472 bytes to 10.0.0.13 get lost, small ones do not"
    ]


def test_an_old_controller_that_is_away_leaves_what_the_stack_file_says(
    context: Context, machines: dict[str, Machine]
) -> None:
    machines["old"].dead = True
    machines["cmp1"].texts = {"/etc/nova/nova.conf": "[DEFAULT]\nx = http://10.0.0.2:1/\n"}
    found = findings(context)
    assert [one.severity for one in found] == [Severity.WARNING, Severity.ERROR]
    assert "only those of the stack file are looked for: old is away" in found[0].message


@pytest.mark.skipif(not shutil.which("ping"), reason="there is no ping here")
def test_packets_to_this_machine_are_whole() -> None:
    assert prober.packets(["127.0.0.1"]) == ["whole"]


def test_shares_by_the_kernels_list() -> None:
    mounts = (
        "/dev/vda / ext4 rw 0 0\n"
        "nfs:/srv/a /var/lib/nova/mnt/f0 nfs4 rw,vers=4.2,clientaddr=10.0.0.3,addr=10.0.0.50 0 0\n"
    )
    assert prober.shared(mounts) == [["/var/lib/nova/mnt/f0", "10.0.0.50"]]
