"""After going live the old controller may be dead: the target's own word counts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.engine import markers
from migrate.errors import UnreachableError
from migrate.verify import boot
from tests.unit import fakes

ROW = "{}\ttest\t0123\tthe-fence\t1764201600.0"


class Served(fakes.FakeHost):
    """A target whose database is marked."""

    stage = "released"

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        if argv[0] != "mariadb":
            return super().run(*argv, stdin=stdin, timeout=timeout)
        return "stage" if "SHOW" in stdin else ROW.format(self.stage)


def without_source(tmp_path: Path, stage: str) -> Any:
    context, hosts = fakes.context(tmp_path, "old")
    hosts["new"].__class__, hosts["new"].stage = Served, stage  # type: ignore[attr-defined]
    return context


def test_a_released_target_needs_no_source(tmp_path: Path) -> None:
    context = without_source(tmp_path, "released")
    assert markers.stage(context) == "released"
    assert markers.reached(context, "synced")
    assert markers.live_since(context) == 1764201600.0


def test_what_only_the_source_can_date_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="old is away"):
        markers.stage(without_source(tmp_path, "synced"))


def test_the_new_server_is_asked_for_from_hosts_that_live(tmp_path: Path) -> None:
    context, hosts = fakes.context(tmp_path, "old")
    agents = [{"host": "old"}, {"host": "compute"}]
    api: Any = SimpleNamespace(get=lambda *_: {"agents": agents})
    boot.answer(context, api, "net", "10.1.0.5")
    assert any("ping" in one for one in hosts["compute"].asked)
