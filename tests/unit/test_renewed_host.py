"""A renewed host takes servers again: proven by a new one, or named as not proven so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context, login
from migrate.computes import proof, service
from migrate.engine import state_directory
from migrate.errors import StepError
from migrate.verify import boot, renewed_host
from tests.unit import fakes


class Nova:
    """One record of nova-compute."""

    def __init__(self, reason: str) -> None:
        self.row = {"id": "1", "status": "disabled", "disabled_reason": reason}

    def get(self, *_: str, **__: str) -> Any:
        return {"services": [self.row]}

    def send(self, *given: Any, **_: str) -> None:
        self.row.update(given[3])


Opened = tuple[Context, fakes.FakeHost, Nova]


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    context, hosts = fakes.context(tmp_path)
    nova = Nova(service.REASON)
    monkeypatch.setattr(login, "api", lambda *_: nova)
    state_directory.record(proof._path(context, hosts["compute"]), {"service": "1"})
    return context, hosts["compute"], nova


@pytest.mark.parametrize(("booted", "unproven"), [(object(), {}), (None, "no room")])
def test_a_host_without_room_is_opened_and_named(
    closed: Opened, monkeypatch: pytest.MonkeyPatch, booted: object, unproven: Any
) -> None:
    context, host, nova = closed
    monkeypatch.setattr(boot, "boot", lambda *_: booted)
    renewed_host.open_again(context, host)
    assert nova.row["status"] == "enabled"
    assert renewed_host.is_open(context, host)
    told = context.extras.get(renewed_host.UNPROVEN, {})
    assert told == {} if booted else unproven in told["compute"]


def test_a_host_that_takes_none_like_those_that_run_is_opened_and_named(
    closed: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, host, nova = closed

    def nowhere(*_: Any) -> None:
        raise boot.NoPlaceError("nova's scheduler takes no new server for it: No valid host")

    monkeypatch.setattr(boot, "boot", nowhere)
    renewed_host.open_again(context, host)
    assert nova.row["status"] == "enabled"
    assert "No valid host" in context.extras[renewed_host.UNPROVEN]["compute"]


def test_one_that_somebody_else_closed_stays_so_and_is_named(closed: Opened) -> None:
    context, host, nova = closed
    nova.row["disabled_reason"] = "a broken fan"
    renewed_host.open_again(context, host)
    assert nova.row["status"] == "disabled"
    assert context.extras[renewed_host.UNPROVEN] == {"compute": "somebody else has closed it"}


def test_one_on_which_none_comes_up_is_closed_again(
    closed: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, host, nova = closed

    def failing(*_: Any) -> None:
        raise StepError("it went into ERROR")

    monkeypatch.setattr(boot, "boot", failing)
    with pytest.raises(StepError, match="ERROR"):
        renewed_host.open_again(context, host)
    assert service.is_ours(nova.row)
    assert not renewed_host.is_open(context, host)
