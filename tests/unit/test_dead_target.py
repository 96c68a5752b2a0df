"""The way back without a dead controller of the target: every other host of a step is undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Cloud, Context
from migrate.errors import CommandError, StepError, UnreachableError
from migrate.journal import Journal
from migrate.phases.compose import compose
from migrate.plan import Plan, Step
from migrate.runner import Runner
from migrate.services import RECIPES
from migrate.settings import parse

STACK: dict[str, Any] = {
    "provider": "existing",
    "source": {
        "release": "2025.1",
        "controllers": [{"name": "old", "address": "10.0.0.2"}],
        "computes": [{"name": "compute", "address": "10.0.0.3"}],
        "virtualIps": [{"address": "10.0.0.9", "interface": "eth0"}],
    },
    "target": {
        "release": "2026.1",
        "controllers": [
            {"name": "new", "address": "10.0.0.12"},
            {"name": "new2", "address": "10.0.0.13"},
        ],
    },
    "cloud": {"name": "admin"},
}
LISTS = ("agents.forget", "units.lift", "arp.ask", "arp.hardware")
NO_SERVER = "no server in a unit test"
STATE = {"alive": {}, "running": False, "closed": ""}

MARKS = '[{"stage": "synced", "stack": "test", "fence": "another", "at": 0}]'


class FakeHost:
    """Notes what it is asked, and says that nothing stands in the way; dead, it says nothing."""

    def __init__(self, name: str, *, dead: bool = False) -> None:
        self.name, self.address, self.dead = name, name, dead
        self.asked: list[str] = []

    def _note(self, what: str) -> None:
        if self.dead:
            raise UnreachableError(f"{self.name} is away", self.name)
        self.asked.append(what)

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        self._note(" ".join(argv)[:60])
        return ""

    def succeeds(self, *argv: str, timeout: float = 60) -> bool:
        self._note(" ".join(argv)[:60])
        return True

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        self._note(f"{script.strip().splitlines()[0]} {' '.join(args)}")
        return MARKS if args and "marker" in args[0] else ""

    def python(self, source: str, payload: object = None, timeout: float = 60) -> Any:
        function = source.strip().splitlines()[0].lstrip("# ")
        self._note(function)
        if function.startswith("import glob"):
            return {}
        return [] if function in LISTS else STATE

    def read(self, path: str) -> str:
        self._note(f"read {path}")
        return '{"file": "keys", "user": "root", "made": []}'

    def write(self, path: str, content: str, *, mode: int = 0, owner: str = "") -> None:
        self._note(f"write {path}")

    def exists(self, path: str) -> bool:
        self._note(f"exists {path}")
        return True

    def unix_stream(self, path: str) -> Any:
        self._note(f"stream {path}")
        raise CommandError(self.name, "mariadb", 1, NO_SERVER)

    def channel(self, *argv: str) -> Any:
        raise NotImplementedError


def undone(tmp_path: Path, step_id: str, dead: str) -> dict[str, list[str]]:
    """What each host is asked while *step_id* is gone back from without *dead*."""
    settings = parse(STACK, "test", tmp_path)
    hosts = {name: FakeHost(name, dead=name == dead) for name in ("old", "compute", "new", "new2")}
    source = Cloud(
        "source", "2025.1", (hosts["old"],), (hosts["compute"],), settings.source.virtual_ips
    )
    target = Cloud(
        *("target", "2026.1", (hosts["new"], hosts["new2"]), (hosts["compute"],)),
        settings.source.virtual_ips,
    )
    living = target.without({dead})
    context = Context("test", settings, source, living, tmp_path, RECIPES)
    (step,) = (one for one in compose(context) if one.id == step_id)
    journal = Journal(tmp_path / f"journal-{dead}", "test")
    try:
        Runner(Plan((step,)), journal, context).retreat()
    except StepError as error:
        if NO_SERVER not in str(error):
            raise
    finally:
        journal.close()
    return {name: host.asked for name, host in hosts.items()}


def steps() -> list[Step]:
    context: Any = type("Recipes", (), {"recipes": RECIPES})
    return list(compose(context))


@pytest.mark.parametrize("step_id", [step.id for step in steps() if step.revert])
def test_what_lives_is_asked_the_same_whoever_is_dead(tmp_path: Path, step_id: str) -> None:
    whole = undone(tmp_path, step_id, "")
    for dead, living in (("new2", ("old", "compute", "new")), ("new", ("old", "compute", "new2"))):
        found = undone(tmp_path, step_id, dead)
        for name in living:
            assert set(whole[name]) <= set(found[name]), f"{name}, without {dead}"
