"""Units started on a host: those that fail are started once more, and then nobody waits."""

from __future__ import annotations

import time

import pytest

from migrate.onhost import systemd


class Systemd:
    """Units by what becomes of them at each start; `queued` is what it has not come to yet."""

    def __init__(self, **fate: list[str]) -> None:
        self.fate, self.queued = fate, dict[str, int]()
        self.starts: list[str] = []
        self.state = dict.fromkeys(fate, "inactive")

    def run(self, *argv: str, **_: object) -> str:
        assert argv[:3] == ("systemctl", "start", "--no-block")
        for name in (one.removesuffix(".service") for one in argv[3:]):
            self.starts.append(name)
            self.queued[name] = 2
        return ""

    def show(self, names: list[str]) -> dict[str, dict[str, str]]:
        for name, left in list(self.queued.items()):
            if left:
                self.queued[name] -= 1
            else:
                del self.queued[name]
                self.state[name] = self.fate[name].pop(0)
        return {
            f"{one}.service": {
                "ActiveState": state,
                **({"Job": "7"} if one in self.queued else {}),
            }
            for one, state in self.state.items()
        }


def started(monkeypatch: pytest.MonkeyPatch, here: Systemd, seconds: float) -> list[str]:
    monkeypatch.setattr(systemd, "run", here.run)
    monkeypatch.setattr(systemd, "show", here.show)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return systemd.start(list(here.fate), seconds)


def test_one_that_fails_is_started_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Systemd(a=["failed", "active"], b=["active"])
    assert started(monkeypatch, here, 60) == []
    assert here.starts == ["a", "b", "a"]


def test_nobody_waits_for_what_has_failed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Systemd(a=["failed", "failed"], b=["active"])
    began = time.monotonic()
    assert started(monkeypatch, here, 600) == ["a.service is failed"]
    assert here.starts == ["a", "b", "a"]
    assert time.monotonic() - began < 60


def test_another_that_is_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Systemd(a=["failed", "failed"], b=["failed", "active"])
    here.queued["b"] = 9
    assert started(monkeypatch, here, 600) == ["a.service is failed"]
    assert here.state["b"] == "active"
