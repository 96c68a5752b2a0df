"""Units that are exchanged on a host: what is known of one that does not come up."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from migrate.computes.installers import in_place
from migrate.computes.reinstalling import own
from migrate.onhost import agents, exchange, record, systemd

NOVA = {"program": "/usr/bin/nova-compute", "user": "nova", "arguments": ["--config-file=/n"]}
NAMES = ["nova-compute", "neutron-openvswitch-agent"]


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """What systemd has of nova-compute, which runs as `NOVA` while it is active."""
    found = {"nova-compute.service": {"ActiveState": "active", "MainPID": "7"}}
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "kept"))
    monkeypatch.setattr(systemd, "show", lambda _: found)
    monkeypatch.setattr(systemd, "run", lambda *_, **__: "")
    monkeypatch.setattr(exchange, "_process", lambda *_: dict(NOVA))
    return found


def fails(units: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The exchange of a program that does not come up."""

    def restart(names: list[str], _: float) -> list[str]:
        units[f"{names[0]}.service"] = {"ActiveState": "failed", "MainPID": "0"}
        return [f"{names[0]} is failed"]

    monkeypatch.setattr(agents, "restart", restart)
    return exchange.forward("note", [], exchange.running(NAMES), 0)


def test_one_that_does_not_come_up_is_known_as_it_ran_before(
    units: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the same command again takes the host for renewed, and nobody starts it."""
    assert fails(units, monkeypatch) == ["nova-compute is failed"]
    assert exchange.running(NAMES) == {"nova-compute": NOVA}
    assert exchange.running(NAMES[1:]) == {}
    assert exchange.down(NAMES) == ["nova-compute"]
    assert exchange.down(NAMES[1:]) == []
    assert fails(units, monkeypatch) == ["nova-compute is failed"]


def test_once_it_was_put_back_only_what_runs_counts(
    units: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(units, monkeypatch)
    exchange.back("note", NAMES, "/opt/openstack", 0)
    assert exchange.running(NAMES) == {}
    assert exchange.down(NAMES) == []


def test_one_that_never_ran_there_is_not_told(units: dict[str, dict[str, str]]) -> None:
    units["nova-compute.service"]["ActiveState"] = "inactive"
    assert exchange.running(NAMES) == {}


def test_one_that_rests_and_starts_with_its_host_is_told_unless_it_was_exchanged(
    units: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rests = {"ActiveState": "inactive", "MainPID": "0", "UnitFileState": "enabled"}
    units["neutron-openvswitch-agent.service"] = rests
    assert exchange.resting(NAMES) == ["neutron-openvswitch-agent"]
    rests["UnitFileState"] = "disabled"
    assert exchange.resting(NAMES) == []
    fails(units, monkeypatch)
    units["nova-compute.service"]["UnitFileState"] = "enabled"
    assert exchange.resting(NAMES) == []
    record.forget(exchange.BEFORE)
    assert exchange.resting(NAMES) == ["nova-compute"]


@pytest.mark.parametrize("note", [in_place.NOTE, own.NOTE])
def test_what_is_undone_and_what_ran_before_are_kept_apart(
    units: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: str
) -> None:
    """By one name the second would take the way back away, and could not be read as the first."""
    path = tmp_path / "nova-compute.service.d" / "sidestep.conf"
    owner = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
    rows = [[str(path), "ours", 0o600, owner]]
    monkeypatch.setattr(agents, "restart", lambda *_: [])
    for _ in range(2):
        assert exchange.forward(note, rows, exchange.running(NAMES), 0) == []
    units["nova-compute.service"]["ActiveState"] = "failed"
    assert exchange.running(NAMES) == {"nova-compute": NOVA}
    assert exchange.back(note, NAMES, "/opt/openstack", 1) == []
    assert not path.exists()
    assert not Path(record.FOLDER).exists()
