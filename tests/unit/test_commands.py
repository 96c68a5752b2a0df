"""Every command has what people and scripts rely on, and its help says what comes of it."""

from __future__ import annotations

import inspect
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from migrate.cli.commands import migrate

# what changes, and what comes next; `status` itself says what comes next
TEACHES = {"Next:", "hanges"}


@pytest.mark.parametrize("name", sorted(migrate.commands))
def test_a_command_has_the_common_options_and_teaches(name: str) -> None:
    command = migrate.commands[name]
    options = {option for one in command.params for option in one.opts}
    assert {"--stack", "--format", "-f", "--json"} <= options
    assert all(one.help for one in command.params if isinstance(one, click.Option))
    shown = CliRunner().invoke(migrate, [name, "--help"])
    assert shown.exit_code == 0
    about = shown.output.partition("Options:")[0]
    for word in TEACHES - ({"Next:"} if name == "status" else set()):
        assert word in about, about


@pytest.mark.parametrize("name", sorted(migrate.commands))
def test_what_a_command_does_takes_the_options_that_it_declares(name: str) -> None:
    command = migrate.commands[name]
    assert command.callback
    module = inspect.getclosurevars(command.callback).nonlocals["module"]
    work = getattr(import_module(f"migrate.cli.{module}"), f"run_{name}")
    given = {one.name for one in command.params} - {"form"} | {"screen"}
    assert set(inspect.signature(work).parameters) == given


@pytest.mark.parametrize("name", ["backup", "follow", "cutover", "rollback"])
def test_what_changes_something_wants_execute(name: str) -> None:
    options = {option for one in migrate.commands[name].params for option in one.opts}
    assert "--execute" in options


def test_the_overview_names_every_command_in_a_whole_sentence() -> None:
    shown = CliRunner().invoke(migrate, ["--help"], terminal_width=140).output
    for name, command in migrate.commands.items():
        assert f"  {name} " in shown
        assert command.get_short_help_str(140).endswith("."), command.get_short_help_str(140)
    assert "Exit codes: 2 wrong input" in " ".join(shown.split())
