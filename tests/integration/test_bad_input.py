"""What is refused before any machine is asked: one line, the exit code of its kind.

The addresses belong to nobody; a command that asked one would wait, and say something else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.operator import STACK, Operator
from tests.unit.test_settings import GOOD

pytestmark = pytest.mark.integration

OVER = ("cutover", "--execute", "--confirm", STACK)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "project", GOOD)


def test_an_unknown_stack(operator: Operator) -> None:
    ended = operator.migrate("plan", stack="rgi")
    ended.refuses(2, "unknown stack 'rgi'", f"there are: {STACK}")


def test_a_malformed_and_contradictory_stack_file(operator: Operator) -> None:
    old: dict[str, Any] = GOOD["sidestep:source"]["controllers"][0]
    ended = operator.migrate(
        *OVER, target={"release": "soon", "controllers": [old]}, window={"limitSeconds": 1}
    )
    ended.refuses(
        2,
        f"Pulumi.{STACK}.yaml has 4 problem(s)",
        "sidestep:target.release",
        "sidestep:window.limitSeconds",
        "ctl-old names two machines",
        "192.0.2.11 is used twice",
    )


@pytest.mark.parametrize("command", [("plan",), ("follow", "--execute"), OVER])
def test_an_illegal_release_path(operator: Operator, command: tuple[str, ...]) -> None:
    ended = operator.migrate(*command, source={"release": "2024.1"})
    ended.refuses(3, "skips releases", "2024.1 to 2025.1, then 2025.1 to 2026.1")


@pytest.mark.parametrize("given", [(), ("--confirm", "rgi")])
def test_a_cutover_that_is_not_confirmed(operator: Operator, given: tuple[str, ...]) -> None:
    ended = operator.migrate("cutover", "--execute", *given)
    ended.refuses(2, f"not confirmed: give --confirm {STACK}")


@pytest.mark.parametrize("command", [("follow",), ("cutover", "--confirm", STACK)])
def test_without_execute_it_is_shown_and_not_done(
    operator: Operator, command: tuple[str, ...]
) -> None:
    (keys := operator.root / "keys").mkdir()
    for name in ("id", "known_hosts"):  # without them it is refused, also here
        (keys / name).touch()
    ended = operator.migrate(*command)
    assert (ended.status, ended.stderr) == (0, "")
    assert "database.first-pass" in ended.stdout
    assert "Nothing was changed; add --execute." in ended.stdout


def test_no_pulumi(operator: Operator) -> None:
    operator.migrate(*OVER, pulumi=False).refuses(3, "pulumi is not on PATH", "make tools")
    ended = operator.migrate("plan", stack="", pulumi=False)
    ended.refuses(2, "name one with --stack", "pulumi is not on PATH")
