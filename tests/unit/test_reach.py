"""What a compute host must reach before it comes over, and what its files may not name."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from migrate import checks
from migrate.cloud import Context
from migrate.computes import reach
from migrate.engine.finding import Finding, Severity
from migrate.onhost import addresses, configured, knock
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
        self.encrypted: set[tuple[str, int]] = set()
        self.lost: dict[str, tuple[int, int]] = {}  # the size that is, and what the way takes
        self.unheard: set[str] = set()
        neutron = [f"--config-file={one}" for one in ("/etc/neutron/neutron.conf", reach.SWITCH)]
        self.runs: dict[str, dict[str, Any]] = {
            "nova-compute": {"arguments": []},
            "neutron-openvswitch-agent": {"arguments": neutron},
        }
        self.shares: list[list[str]] = []
        self.leads: dict[str, list[str]] = {}  # a name that is none of these leads nowhere
        self.tried: list[tuple[str, int]] = []

    def answer(self, function: str, payload: Any) -> Any:
        super().answer(function, payload)
        assert isinstance(payload, dict)
        (asked, *_) = payload["arguments"] or [None]
        if payload["function"] == "ports":
            self.tried += [(address, port) for address, port in asked]
            return [self.shut.get((address, port), "open") for address, port in asked]
        if payload["function"] == "packets":
            return [self.carried(*one) for one in asked]
        if payload["function"] == "resolved":
            return {name: self.leads.get(name, []) for name in asked}
        if payload["function"] == "tls":
            return [(address, port) in self.encrypted for address, port in asked]
        answers: dict[str, Any] = {
            "facts": CONTROLLERS.get(self.name),
            "read": self.texts,
            "running": self.runs,
            "shares": self.shares,
        }
        if function == "configured.read":
            return {"texts": self.texts, "given": {"my_ip": self.address, "host": self.name}}
        return answers[payload["function"]]

    def carried(self, address: str, wanted: int) -> dict[str, Any]:
        limit, path = self.lost.get(address, (0, 0))
        size = wanted or limit or 1500
        whole = None if address in self.unheard else not limit or size < limit
        return {"size": size, "data": size - 28, "whole": whole, "path": path}


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
    assert one.severity is Severity.ERROR
    assert one.message.startswith("/etc/neutron/neutron.conf:3 help names 10.5.0.2, ctl-old, ")
    assert "it is not translated: what this option means is not known" in one.message
    assert "Name 10.0.0.9, the virtual IP, there, or ctl-new, and re" in one.remedy
    assert two.severity is Severity.INFO
    assert two.message.startswith("/etc/nova/nova.conf:2 transport_url names 10.0.0.2, ")
    assert two.remedy == "Nothing to do: once renewed it is told 10.0.0.9 there"


def test_a_name_is_what_it_leads_to_from_that_host(
    context: Context, machines: dict[str, Machine]
) -> None:
    """Controllers know one name by their own address, hosts by the virtual IP; or the reverse."""
    host = machines["cmp1"]
    host.texts = {"/etc/nova/nova.conf": NOVA.replace("@10.0.0.9:5672", "@ctl-old:5672")}
    for leads in (["10.0.0.9"], ["10.0.0.12", "10.0.0.9"]):
        host.leads = {"ctl-old": leads}
        assert told(context) == []
        assert checks.reach.run(context) == []
    for leads in ([], ["10.0.0.2"], ["10.0.0.9", "10.0.0.2"], ["10.0.0.9", "192.0.2.7"]):
        host.leads = {"ctl-old": leads}
        (one,) = checks.reach.run(context)
        assert one.message.startswith("/etc/nova/nova.conf:2 transport_url names ctl-old, ")
    host.texts = {"/etc/nova/nova.conf": NOVA.replace("@10.0.0.9:5672", "@broker.example:5672")}
    assert checks.reach.run(context) == []
    host.leads = {"broker.example": ["10.5.0.2"]}
    (one,) = checks.reach.run(context)
    assert one.message.startswith("/etc/nova/nova.conf:2 transport_url names broker.example, ")


def test_it_is_told_before_the_cutover_which_cuts_such_a_host_off(
    context: Context, machines: dict[str, Machine]
) -> None:
    assert checks.reach.run(context) == []
    machines["cmp2"].texts = {"/etc/nova/nova.conf": NOVA.replace("@10.0.0.9:5", "@10.0.0.2:5")}
    (one,) = checks.reach.run(context)
    assert (one.where, one.severity) == ("cmp2", Severity.ERROR)
    assert one.message.startswith("/etc/nova/nova.conf:2 transport_url names 10.0.0.2, ")
    edit = r"-e '2s#@10\.0\.0\.2:#@10.0.0.9:#g' /etc/nova/nova.conf"
    assert one.remedy == (
        f"Run there: sed -i --follow-symlinks {edit} && systemctl restart nova-compute"
    )
    machines["cmp2"].shut = {("10.0.0.9", 5672): "refused"}
    (one,) = checks.reach.run(context)
    assert "(10.0.0.9 does not answer on port 5672 from there: refused)" in one.message
    assert one.remedy == "Name 10.0.0.9, the virtual IP, there, and restart nova-compute"


def test_a_cache_of_old_controllers_does_not_hinder_the_cutover(
    context: Context, machines: dict[str, Machine]
) -> None:
    """The target's own is there to be named after it, which settle asks for."""
    text = f"{NOVA}[cache]\nmemcache_servers = 10.0.0.2:11211,10.5.0.2:11211\n"
    machines["cmp2"].texts = {"/etc/nova/nova.conf": text}
    (one,) = checks.reach.run(context)
    assert (one.where, one.severity) == ("cmp2", Severity.WARNING)
    assert "memcache_servers names 10.0.0.2, 10.5.0.2, an old controller's own" in one.message
    assert "`migrate settle` has the renewed host told 10.0.0.9 there" in one.remedy
    (later,) = [one for one in findings(context, "cmp2") if "memcache" in one.message]
    assert later.severity is Severity.INFO
    machines["cmp2"].shut = {("10.0.0.9", 11211): "refused"}
    (later,) = [one for one in findings(context, "cmp2") if "memcache" in one.message]
    assert later.severity is Severity.ERROR


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
    machines["cmp1"].lost = machines["cmp2"].lost = {"10.1.0.13": (1500, 0)}
    machines["cmp1"].texts = {reach.SWITCH: SWITCH}
    assert told(context, "cmp1", "cmp2") == [
        "cmp1: packets of 1500 bytes to 10.1.0.13 get lost, small ones do not "
        "(tried: ping -M do -s 1472)"
    ]
    # its agent may be given another file, or one more after it
    machines["cmp1"].texts = {reach.PLUGIN: SWITCH}
    arguments = [f"--config-file={reach.PLUGIN}"]
    machines["cmp1"].runs["neutron-openvswitch-agent"] = {"arguments": arguments}
    assert len(told(context)) == 1
    machines["cmp1"].lost = {"10.0.0.12": (9000, 0)}
    machines["cmp1"].unheard = {"10.1.0.13"}
    lost, unheard = findings(context)
    assert unheard.severity is Severity.WARNING
    assert unheard.message.startswith("no ping is answered by 10.1.0.13, an end of tunnels")
    assert [f"{lost.where}: {lost.message}"] == [
        "cmp1: packets of 9000 bytes to 10.0.0.12 get lost, small ones do not "
        "(tried: ping -M do -s 8972)"
    ]


def test_a_tunnel_is_tried_at_its_own_size_and_others_take_what_the_way_takes(
    context: Context, machines: dict[str, Machine]
) -> None:
    """A link of 9000 bytes is none of neutron's, which makes packets as it was told."""
    machines["new"].texts = {
        reach.SWITCH: SWITCH.replace("10.1.0.3", "10.1.0.12"),
        reach.SERVER: "[DEFAULT]\nglobal_physnet_mtu = 9000\n",
        reach.PLUGIN: "[ml2]\npath_mtu = 1450\n",
    }
    machines["new2"].texts = machines["new"].texts
    machines["cmp1"].texts = {reach.SWITCH: SWITCH}
    machines["cmp1"].lost = {"10.1.0.12": (9000, 0), "10.0.0.12": (9000, 1500)}
    assert told(context) == []
    machines["new"].texts[reach.PLUGIN] = ""
    machines["cmp1"].lost = {"10.1.0.12": (9000, 1400)}
    lost = findings(context)[0]
    assert "9000 bytes to 10.1.0.12 get lost, small ones do not; the way takes 1400" in lost.message
    assert "path_mtu" in lost.remedy


def test_files_that_nothing_which_runs_reads_say_nothing(
    context: Context, machines: dict[str, Machine]
) -> None:
    old = "[DEFAULT]\nx = http://10.0.0.2:1/\n"
    machines["cmp1"].texts = {
        "/etc/nova/nova.conf.d/more.conf": old,
        "/etc/nova/api.conf": old,
        "/etc/nova/nova-compute.conf": old,
        "/etc/neutron/l3_agent.ini": old,
        "/etc/neutron/neutron.conf": old,
        reach.SWITCH: old,
    }
    read = {one.message.partition(":")[0] for one in findings(context)}
    assert read == {
        *("/etc/nova/nova.conf.d/more.conf", "/etc/nova/nova-compute.conf"),
        *("/etc/neutron/neutron.conf", reach.SWITCH),
    }
    given = ["--config-file", "/etc/nova/api.conf", "--config-dir=/etc/neutron/"]
    machines["cmp1"].runs = {"nova-compute": {"arguments": given}}
    read = {one.message.partition(":")[0] for one in findings(context)}
    assert read == {"/etc/nova/api.conf", "/etc/neutron/neutron.conf"}


def test_files_that_a_program_is_given_are_read_wherever_they_stand(
    context: Context, machines: dict[str, Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, more = tmp_path / "nova[1].conf", tmp_path / "more"
    more.mkdir()
    for path in (own, more / "a.conf", more / "unread"):
        path.write_text("[DEFAULT]\nx = http://10.0.0.2:1/\n")
    given = [f"--config-file={own}", "--config-dir", str(more)]
    machines["cmp1"].runs = {"nova-compute": {"arguments": given}}
    reading = machines["cmp1"].python

    def python(source: str, payload: Any = None, *rest: Any, **named: Any) -> Any:
        if source.startswith("# configured.read"):
            monkeypatch.setattr(configured, "my_ip", lambda: "10.0.0.3")
            return configured.read(*payload["arguments"])
        return reading(source, payload, *rest, **named)

    monkeypatch.setattr(machines["cmp1"], "python", python)
    read = {one.message.partition(":")[0] for one in findings(context)}
    assert read == {str(own), str(more / "a.conf")}


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


@pytest.mark.parametrize(
    "said",
    [
        "10.0.0.50,10.0.0.51",
        "10.0.0.50:6789 10.0.0.51:3300",
        "[v2:10.0.0.50:3300/0,v1:10.0.0.50:6789/0],[v2:10.0.0.51:3300/0,v1:10.0.0.51:6789/0]",
        "10.0.0.50, \\\n  10.0.0.51",
    ],
)
def test_monitors_of_ceph_by_the_host_s_own_file(
    context: Context, machines: dict[str, Machine], said: str
) -> None:
    host = machines["cmp1"]
    host.texts["/etc/ceph/ceph.conf"] = f"[global]\nmon host = {said}\n"
    host.shut = {("10.0.0.50", 3300): "refused", ("10.0.0.51", 6789): "refused"}
    assert told(context) == []  # either protocol will do
    host.shut |= {("10.0.0.50", port): "timeout" for port in (3300, 6789)}
    (one,) = findings(context)
    assert one.severity is Severity.WARNING
    assert one.message.endswith("/etc/ceph/ceph.conf do not answer: 10.0.0.50")
    host.shut |= {("10.0.0.51", port): "timeout" for port in (3300, 6789)}
    (one,) = findings(context)
    assert one.severity is Severity.ERROR
    assert one.message.endswith("do not answer: 10.0.0.50, 10.0.0.51")


def test_a_file_of_another_cluster_forbids_nothing_unless_nova_uses_it(
    context: Context, machines: dict[str, Machine]
) -> None:
    host, path = machines["cmp1"], "/etc/ceph/backup.conf"
    host.texts[path] = "[global]\nmon_host = 10.7.0.1\n"
    host.shut = {("10.7.0.1", port): "timeout" for port in reach.MONITORS}
    (one,) = findings(context)
    assert one.severity is Severity.WARNING
    assert one.message.endswith(f"{path} do not answer: 10.7.0.1")
    host.texts["/etc/nova/nova.conf"] = f"{NOVA}[libvirt]\nimages_rbd_ceph_conf = {path}\n"
    (one,) = findings(context)
    assert one.severity is Severity.ERROR


def test_tunnels_that_two_files_tell_of_are_tried(
    context: Context, machines: dict[str, Machine]
) -> None:
    machines["new"].texts = {reach.SWITCH: SWITCH.replace("10.1.0.3", "10.1.0.12")}
    agent, end = SWITCH.split("[ovs]")
    machines["cmp1"].texts |= {"/etc/neutron/neutron.conf": f"[ovs]{end}", reach.SWITCH: agent}
    machines["cmp1"].lost = {"10.1.0.12": (1500, 0)}
    (one,) = told(context)
    assert "to 10.1.0.12 get lost" in one


def test_where_there_is_no_ping_nobody_is_told_that_none_was_answered(
    context: Context, machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    machines["new"].texts = {reach.SWITCH: SWITCH.replace("10.1.0.3", "10.1.0.12")}
    machines["cmp1"].texts[reach.SWITCH] = SWITCH
    nothing = {"size": 0, "data": 0, "whole": None, "path": 0}
    monkeypatch.setattr(Machine, "carried", lambda *_: nothing)
    (one,) = findings(context)
    assert one.severity is Severity.WARNING
    assert one.message.endswith("10.1.0.12, an end of tunnels, is not known: there is no ping here")


def test_a_monitor_at_an_address_of_six() -> None:
    found = set(reach._named_monitors("[fd00::1]:6789,[v2:[fd00::2]:3300/0],fd00::3, mon-a.x"))
    both = {(one, port) for one in ("fd00::3", "mon-a.x") for port in reach.MONITORS}
    assert found == {("fd00::1", 6789), ("fd00::2", 3300), *both}


def test_one_that_is_away_costs_the_others_nothing(
    context: Context, machines: dict[str, Machine]
) -> None:
    machines["cmp1"].dead = True
    machines["cmp2"].lost = {"10.0.0.13": (1500, 0)}
    assert told(context, "cmp1", "cmp2") == [
        "cmp2: packets of 1500 bytes to 10.0.0.13 get lost, small ones do not "
        "(tried: ping -M do -s 1472)"
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
    (one, two) = prober.packets([["127.0.0.1", 0], ["127.0.0.1", 1500]])
    assert (one["size"], one["whole"]) == (LOOPBACK, True)
    assert two == {"size": 1500, "data": 1472, "whole": True, "path": 0}


LOOPBACK = min(int(Path("/sys/class/net/lo/mtu").read_text()), prober.LARGEST + prober.HEADERS)
ROUTES: dict[str, list[dict[str, Any]]] = {
    "10.0.0.12": [{"dev": "lo"}],
    "10.1.0.13": [{"dev": "lo", "cache": [], "metrics": [{"mtu": 1400}]}],
    "fd00::13": [{"dev": "lo", "metrics": [{"mtu": 1500}]}],
}


def test_a_packet_is_as_large_as_its_route_takes_by_the_headers_of_its_family(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def ping(*argv: str) -> bool:
        tried.append(argv[-1])
        return True

    monkeypatch.setattr(addresses, "ip", lambda *argv: ROUTES[argv[-1]])
    monkeypatch.setattr(prober, "_answers", ping)
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/ping")
    found = prober.packets([[one, 0] for one in ROUTES])
    assert [one["size"] for one in found] == [LOOPBACK, 1400, 1500]
    assert sorted(tried) == sorted(["1372", "1452", str(LOOPBACK - 28)])


def test_what_routers_on_the_way_have_said_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    route: list[dict[str, Any]] = [{"dev": "lo", "metrics": [{"mtu": 9000}]}]

    def ping(_: str, *options: str) -> bool:
        route[0] = {"dev": "lo", "metrics": [{"mtu": 1400}]}  # the kernel has learnt it
        return not options or int(options[-1]) <= 1400 - 28

    monkeypatch.setattr(addresses, "ip", lambda *_: route)
    monkeypatch.setattr(prober, "_answers", ping)
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/ping")
    assert prober.packets([["10.0.0.12", 0]]) == [
        {"size": 9000, "data": 8972, "whole": False, "path": 1400}
    ]


def test_shares_by_the_kernels_list() -> None:
    mounts = (
        "/dev/vda / ext4 rw 0 0\n"
        "nfs:/srv/a /var/lib/nova/mnt/f0 nfs4 rw,vers=4.2,clientaddr=10.0.0.3,addr=10.0.0.50 0 0\n"
    )
    assert prober.shared(mounts) == [["/var/lib/nova/mnt/f0", "10.0.0.50"]]


def test_tls_is_told_from_a_page_in_clear_and_from_nobody(tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    argv = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x")
    subprocess.run([*argv, "-keyout", pem, "-out", tmp_path / "c"], capture_output=True, check=True)
    pem.write_text(pem.read_text() + (tmp_path / "c").read_text())
    servers = [HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) for _ in range(3)]
    encrypted, clear, nobody = servers
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    encrypted.socket = context.wrap_socket(encrypted.socket, server_side=True)
    nobody.server_close()
    for one in (encrypted, clear):
        Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
    try:
        asked: list[list[object]] = [["127.0.0.1", one.server_port] for one in servers]
        assert knock.tls([("127.0.0.1", one.server_port) for one in servers]) == [
            True,
            False,
            False,
        ]
        assert prober.ports(asked) == ["open", "open", "refused"]
    finally:
        for one in (encrypted, clear):
            one.shutdown()
            one.server_close()
