"""Answers for programs: what `-f` prints on stdout, and nothing beside it."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from migrate.cli import formats
from migrate.cli.commands import migrate
from migrate.cli.output import Screen
from migrate.cli.terminal import TERMINAL
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase
from migrate.phases import machines, rollback
from migrate.verify import losses
from tests.unit import fakes


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    config = {f"sidestep:{key}": one for key, one in fakes.STACK.items()}
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIGRATE_HOME", raising=False)
    return tmp_path


def answer(*argv: str) -> str:
    return CliRunner(catch_exceptions=False).invoke(migrate, [*argv, "--stack", "prod"]).stdout


@pytest.mark.usefixtures("project")
def test_one_answer_in_every_format() -> None:
    people, plain = answer("plan"), answer("plan", "-f", "json")
    steps = json.loads(plain)
    assert people == answer("plan", "--format", "table")
    assert plain == answer("plan", "--json")
    assert yaml.safe_load(answer("plan", "-f", "yaml")) == steps
    lines = answer("plan", "-f", "value").splitlines()
    assert [line.split()[0] for line in lines] == [step["id"] for step in steps]


@pytest.mark.usefixtures("project")
def test_people_are_told_on_stderr_then() -> None:
    said = CliRunner().invoke(migrate, ["plan", "--stack", "prod", "-f", "value"])
    assert "The window:" in said.stderr
    assert "The window:" not in said.stdout


def test_a_way_back_shows_what_it_would_undo(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "foreseen", lambda _: losses.nothing("prod"))
    assert "the journal names no step, so every one is tried" in answer("rollback")
    journal = Journal(project / ".migrate/prod/journal", "follow")
    for step in ("transfer.key", "isolation.private-address", "isolation.filter"):
        journal.record(Phase.FOLLOW, step, State.DONE)
    journal.record(Phase.FOLLOW, "transfer.key", State.REVERTED)
    journal.close()
    undone = ["isolation.filter", "isolation.private-address"]
    assert json.loads(answer("rollback", "-f", "json"))["would_undo"] == undone
    shown = answer("rollback")
    assert "would undo 2 steps, last first; add --execute" in shown
    assert shown.index(undone[0]) < shown.index(undone[1])
    assert "vip.takeover" not in shown


@pytest.mark.parametrize("command", ["plan", "status", "follow"])
def test_what_only_reads_leaves_no_paper(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(machines, "look", lambda _: {})
    assert answer(command)
    assert list((project / ".migrate/prod").iterdir()) == []


@pytest.mark.parametrize("paper", ["", "journal", "lock"])
def test_the_last_line_of_a_status_is_what_to_do(
    project: Path, monkeypatch: pytest.MonkeyPatch, paper: str
) -> None:
    """Also where one of the papers cannot be read."""
    monkeypatch.setattr(machines, "look", lambda _: {})
    home = project / ".migrate/prod"
    home.mkdir(parents=True)
    if paper:
        (home / paper).write_text('{"format": 99, "papers": "of a newer program"}' * 20)
    told = json.loads(answer("status", "-f", "json"))["next"]
    assert ("`migrate status --stack prod` again" if paper else "`migrate check") in told
    assert answer("status", "-f", "value").splitlines()[-1] == told
    assert answer("status").splitlines()[-1] == f"next: {told}"


def test_values_stand_bare_a_line_each() -> None:
    status = {"stack": "lab", "held_by": "", "phases": {"follow": "done"}, "next": "one\ntwo"}
    assert formats.as_value(status) == 'lab\n\n{"follow": "done"}\none two\n'
    findings = [{"check": "clock", "ok": True, "seconds": 1.5}, {"check": "reach", "needs": []}]
    assert formats.as_value(findings) == "clock true 1.5\nreach []\n"
    assert formats.as_value([]) == ""


@pytest.mark.parametrize("name", sorted(migrate.commands))
def test_the_formats_offered_are_those_there_are(name: str) -> None:
    (form,) = (one for one in migrate.commands[name].params if "-f" in one.opts)
    assert isinstance(form.type, click.Choice)
    assert set(form.type.choices) == {"table", *formats.FORMATS}


def test_a_name_that_users_chose_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().say("DATA LOST volume v\x1b[2K\x9b1A and no more")
    TERMINAL.flush()
    assert "volume v\\x1b[2K\\x9b1A and no more" in capsys.readouterr().out
