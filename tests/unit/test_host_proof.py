"""What proves that a renewed host is the one that it was, while users work and guests end."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import count, repeat
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context, login
from migrate.computes import proof, versions
from migrate.computes.versions import Versions
from migrate.database import connection
from migrate.database.service_databases import ServiceDatabase
from migrate.errors import StepError
from migrate.onhost import domains, guests
from tests.unit import fakes

SINCE = "2026-11-21T12:00:00.000000"


class Nova:
    """nova, placement and neutron with one server `web` on one host."""

    bases = frozenset(("compute", "placement"))

    def __init__(self) -> None:
        self.beats = count()
        self.status, self.task = "ACTIVE", None
        self.inventories = {"VCPU": {"total": 8}, "VGPU": {"total": 2}, "PCPU": {"total": 0}}
        self.actions: list[dict[str, Any]] = []

    def reported(self) -> dict[str, list[tuple[Any, ...]]]:
        """By cell; only who reports counts on."""
        return {
            "nova_cell1": [("compute", "nova-compute", next(self.beats))],
            "nova_cell0": [("compute", "nova-consoleauth", 9), ("other", "nova-compute", 9)],
        }

    def get(self, service: str, path: str, **_: str) -> Any:
        if path == "/os-services":
            row = {"id": "s", "state": "up", "updated_at": SINCE}
            return {"services": [row]}
        if path == "/os-hypervisors/detail":
            node = {"id": "n", "hypervisor_hostname": "n", "service": {"host": "compute"}}
            return {"hypervisors": [node]}
        if path == "/resource_providers":
            return {"resource_providers": [{"uuid": "n"}]}
        if path.startswith("/resource_providers/"):
            allocations = {"web": {"resources": {"VCPU": 1}}}
            return {"allocations": allocations, "inventories": self.inventories}
        if path.endswith("/os-instance-actions"):
            return {"instanceActions": self.actions}
        assert path == "/servers/web"
        return {"server": {"status": self.status, "OS-EXT-STS:task_state": self.task}}


Noted = tuple[Context, Any, Nova]


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Noted:
    context, hosts = fakes.context(tmp_path)
    nova: Any = Nova()
    monkeypatch.setattr(login, "api", lambda *_: nova)
    monkeypatch.setattr(versions, "read", lambda _: Versions({"compute": 72}, 72))
    monkeypatch.setattr(versions, "each_cell", lambda *_: nova.reported())
    running = {"web": {"process": 7, "started": "1", "ports": ["tap1"]}}
    monkeypatch.setitem(fakes.ANSWERS, "guests.seen", running)
    monkeypatch.setitem(fakes.ANSWERS, "switch.uplinks", {"br-phy": ["eth1"], "br-int": []})
    monkeypatch.setitem(fakes.ANSWERS, "domains.shut_down", [])
    monkeypatch.setitem(fakes.ANSWERS, "systemd.show", {})
    monkeypatch.setitem(fakes.ANSWERS, "kept.system", {"boot": "one", "token": ""})
    host: Any = hosts["compute"]
    proof.note(context, nova, host)
    monkeypatch.setattr(proof, "HEARD_SECONDS", 0.05)
    monkeypatch.setattr(proof, "PAUSE", 0.01)
    return context, host, nova


def test_what_is_as_it_was_is_proven(noted: Noted) -> None:
    context, host, _ = noted
    proof.prove(context, host)
    assert "domains.shut_down" not in host.asked


def test_what_a_host_has_for_servers_it_has_again(noted: Noted) -> None:
    context, host, nova = noted
    nova.inventories = {"VCPU": {"total": 8}, "VGPU": {"total": 0}}
    with pytest.raises(StepError, match="it offers no VGPU any more"):
        proof.prove(context, host)
    nova.inventories["VGPU"] = {"total": 1}
    proof.prove(context, host)


def test_a_guest_that_shut_itself_down_is_its_user_s_doing(
    noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, host, nova = noted
    nova.actions = [{"user_id": None, "start_time": SINCE}]  # nova's own stop
    monkeypatch.setitem(fakes.ANSWERS, "guests.seen", {})
    with pytest.raises(StepError, match="web does not run any more, and did not shut itself down"):
        proof.prove(context, host)
    nova.status = "SHUTOFF"  # that nova has noted it is no proof of who did it
    with pytest.raises(StepError, match="did not shut itself down"):
        proof.prove(context, host)
    monkeypatch.setitem(fakes.ANSWERS, "domains.shut_down", ["web"])
    proof.prove(context, host)
    nova.status = "ACTIVE"
    with pytest.raises(StepError, match="web shut itself down, which nova notes within 10 min"):
        proof.prove(context, host)


def test_a_unit_that_ends_as_often_as_it_is_started_is_told(
    noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, host, nova = noted
    monkeypatch.setattr(nova, "beats", repeat(0))
    for restarts, told in (
        ("0", "does not hear its nova-compute$"),
        ("6", "started again 6 times"),
    ):
        shown = {"nova-compute.service": {"NRestarts": restarts}}
        monkeypatch.setitem(fakes.ANSWERS, "systemd.show", shown)
        with pytest.raises(StepError, match=told):
            proof.prove(context, host)


@pytest.mark.parametrize("second", [{"MainPID": "8"}, {"ActiveState": "failed", "MainPID": "0"}])
def test_a_unit_that_ends_while_it_is_looked_at_is_told_though_nova_hears_it(
    noted: Noted, monkeypatch: pytest.MonkeyPatch, second: dict[str, str]
) -> None:
    """As one does that dies some seconds after each start: at any moment it may run."""
    context, host, _ = noted
    api: Any = noted[2]
    unit = {"ActiveState": "active", "MainPID": "7", "NRestarts": "0"}
    shown = {"neutron-openvswitch-agent.service": unit}
    monkeypatch.setitem(fakes.ANSWERS, "systemd.show", shown)
    proof.prove(context, host)
    proof.wait_until_steady(context, api, host)
    heard = proof.wait_until_heard

    def meanwhile(*given: Any) -> None:
        heard(*given)
        shown["neutron-openvswitch-agent.service"] = {**unit, **second}

    monkeypatch.setattr(proof, "wait_until_heard", meanwhile)
    for prove in (proof.prove, lambda *_: proof.wait_until_steady(context, api, host)):
        shown["neutron-openvswitch-agent.service"] = unit
        with pytest.raises(StepError, match=r"neutron-openvswitch-agent\.service has ended"):
            prove(context, host)


def test_another_process_is_no_guest_that_shut_itself_down(
    noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, host, _ = noted
    other = {"web": {"process": 8, "started": "2", "ports": ["tap1"]}}
    monkeypatch.setitem(fakes.ANSWERS, "guests.seen", other)
    with pytest.raises(StepError, match="web has another process or ports"):
        proof.prove(context, host)


@pytest.mark.parametrize(
    ("uplinks", "told"),
    [
        ({"br-phy": [], "br-int": []}, "bridge br-phy, which had eth1, leads out of the host no m"),
        ({"br-int": []}, "bridge br-phy, which had eth1, is gone"),
    ],
)
def test_a_bridge_that_leads_nowhere_any_more_is_told_though_its_agent_lives(
    noted: Noted, monkeypatch: pytest.MonkeyPatch, uplinks: dict[str, list[str]], told: str
) -> None:
    context, host, _ = noted
    monkeypatch.setitem(fakes.ANSWERS, "switch.uplinks", uplinks)
    with pytest.raises(StepError, match=told):
        proof.prove(context, host)


def test_a_card_may_be_called_otherwise_on_a_fresh_system(
    noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, host, _ = noted
    monkeypatch.setitem(fakes.ANSWERS, "switch.uplinks", {"br-phy": ["enp1s0"]})
    proof.prove(context, host)


def test_a_host_that_died_and_was_booted_meanwhile_has_not_lost_its_guests_by_us(
    noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, host, nova = noted
    monkeypatch.setitem(fakes.ANSWERS, "kept.system", {"boot": "two", "token": ""})
    monkeypatch.setitem(fakes.ANSWERS, "guests.seen", {})
    with pytest.raises(StepError, match="web is off since a boot of its host, which nova notes"):
        proof.prove(context, host)
    nova.status = "SHUTOFF"
    proof.prove(context, host)
    nova.status = "ACTIVE"  # nova is told to start them again
    other = {"web": {"process": 8, "started": "2", "ports": ["tap1"]}}
    monkeypatch.setitem(fakes.ANSWERS, "guests.seen", other)
    proof.prove(context, host)


def test_a_lost_note_says_what_to_do(noted: Noted) -> None:
    context, host, _ = noted
    proof.forget(context, host)
    with pytest.raises(StepError) as error:
        proof.prove(context, host)
    assert "settle-compute.json is gone" in str(error.value)
    assert "`migrate settle --back --host compute --execute`" in str(error.value)


def test_a_heartbeat_asks_for_one_row_and_a_run_once_for_the_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for each second, of each host at work: ten thousand rows, and files by ssh."""
    context, _ = fakes.context(tmp_path)
    asked, told = [], []
    cell = ServiceDatabase("nova", "nova", "nova_cell1", "nova", "mysql://", "cell1")

    def databases(*_: Any) -> list[ServiceDatabase]:
        told.append(1)
        return [cell]

    def rows(_: None, statement: str, *values: object) -> list[tuple[Any, ...]]:
        asked.append((statement, values))
        return [("compute", "nova-compute", 7)]

    monkeypatch.setattr(versions, "service_databases", databases)
    monkeypatch.setattr(connection, "session", lambda _: nullcontext())
    monkeypatch.setattr(connection, "rows", rows)
    assert [versions.heartbeats(context, "compute") for _ in range(3)] == [7, 7, 7]
    assert len(told) == 1
    assert all("host = %s" in one and values == ("compute",) for one, values in asked)


BEGUN = "2026-11-21 11:00:00.1+0000: starting up libvirt version: 11.3.0, qemu version: 10.0\n"
BY_LIBVIRT = "qemu-system-x86_64: terminating on signal 15 from pid 9 (/usr/sbin/libvirtd)\n"
BY_SYSTEMD = "qemu-system-x86_64: terminating on signal 15 from pid 1 (/sbin/init)\n"
DOWN = "2026-11-21 12:00:01.2+0000: shutting down, reason={}\n"


@pytest.mark.parametrize(
    ("log", "itself"),
    [
        (BEGUN + DOWN.format("shutdown"), True),
        (BEGUN + BY_LIBVIRT + DOWN.format("shutdown"), True),
        (BEGUN + BY_SYSTEMD + DOWN.format("shutdown"), False),
        (BEGUN + BY_LIBVIRT + DOWN.format("destroyed"), False),
        (BEGUN + DOWN.format("crashed"), False),
        (BEGUN + DOWN.format("shutdown") + BEGUN, False),
        (BY_SYSTEMD + DOWN.format("destroyed") + BEGUN + DOWN.format("shutdown"), True),
        ("", False),
    ],
)
def test_who_ended_a_guest_stands_in_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, itself: bool
) -> None:
    (tmp_path / "instance-1.log").write_text(log)
    monkeypatch.setattr(domains, "LOGS", str(tmp_path))
    monkeypatch.setattr(guests, "running", lambda: {"runs": {}})
    names = {"web": "instance-1\n", "runs": "instance-1\n"}
    monkeypatch.setattr(domains, "run", lambda *argv, **_: names.get(argv[-1], ""))
    assert domains.shut_down(["web", "runs", "unknown"]) == (["web"] if itself else [])
