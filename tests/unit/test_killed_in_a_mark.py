"""A run killed at any call while it marks the target: the next one leaves nothing out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from migrate.cloud import Context
from migrate.database import schema
from migrate.engine.plan import Step
from migrate.phases import plan
from migrate.services import RECIPES
from tests.unit import fakes

ANSWERS = {
    "fencing.token": "token",
    "fencing.machine": "id",
    "virtual_ip.since": 1764201600,
    "front.flipped": 0.0,
}


class KilledError(BaseException):
    """Stands for kill -9: no handler of the program runs after it."""


class Machine(fakes.FakeHost):
    """A host with marks and waiting tools; its run dies when the lives run out."""

    lives = -1
    marks = "[]"
    rows: tuple[str, ...] = ()
    tools = True

    def _note(self, what: str) -> None:
        super()._note(what)
        if Machine.lives == 0:
            raise KilledError
        Machine.lives -= 1

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        self._note(argv[0])
        if "REPLACE INTO" in stdin:
            stage = bytes.fromhex(stdin.partition("VALUES (x'")[2].partition("'")[0]).decode()
            self.rows = tuple(sorted({*self.rows, stage}))
        if "SHOW TABLES" in stdin:
            return "stage" if self.rows else ""
        if "SELECT stage," in stdin:
            return "".join(f"{stage}\ttest\tid\ttoken\t1\n" for stage in self.rows)
        return "1764201600" if argv[0] != "mariadb" else ""

    def shell(self, script: str, *args: str, timeout: float = 60) -> str:
        self._note(script)
        if "systemctl stop" in script:
            self.tools = False
        if "ActiveEnterTimestamp" in script:
            return "1764201600"
        return self.marks if "cat " in script else ""

    def answer(self, function: str, payload: Any) -> Any:
        self._note("python")
        if function == "marks.keep":
            self.marks = json.dumps(payload["arguments"][0])
        return ANSWERS.get(function)

    def write(self, path: str, content: str, *, mode: int = 0, owner: str = "") -> None:
        self._note(path)
        self.marks = content

    @property
    def standing(self) -> tuple[Any, ...]:
        stages = tuple(one["stage"] for one in json.loads(self.marks))
        return self.tools, self.rows, stages


def machines(tmp_path: Path) -> tuple[Context, dict[str, Any]]:
    context, hosts = fakes.context(tmp_path)
    for host in hosts.values():
        host.__class__ = Machine
    Machine.lives = -1
    return context, hosts


def step(name: str) -> Step:
    return next(one for one in plan.steps(RECIPES) if one.id == name)


def resumed(context: Context, one: Step) -> None:
    """As the runner does: asked first, then done."""
    if not one.done(context):
        one.apply(context)


@pytest.mark.parametrize("name", ["database.synced", "release"])
def test_killed_at_every_call_and_run_again(tmp_path: Path, name: str) -> None:
    one = step(name)
    context, hosts = machines(tmp_path)
    assert not one.done(context)
    one.apply(context)
    assert one.done(context)
    undisturbed = {host: machine.standing for host, machine in hosts.items()}
    lives = 0
    while True:
        context, hosts = machines(tmp_path)
        Machine.lives = lives
        try:
            resumed(context, one)
        except KilledError:
            Machine.lives = -1
            resumed(context, one)
        else:
            break
        found = {host: machine.standing for host, machine in hosts.items()}
        assert found == undisturbed, f"killed at call {lives}"
        lives += 1
    assert lives > 8


def test_the_tools_are_let_go_before_that_is_said(tmp_path: Path) -> None:
    context, hosts = machines(tmp_path)
    schema.finish(context)
    first = hosts["new"].asked
    stopped = next(n for n, what in enumerate(first) if "systemctl stop" in what)
    assert stopped < first.index("mariadb")
