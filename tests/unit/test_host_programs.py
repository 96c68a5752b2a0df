"""A program that this host lacks is told in one line, with what installs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from infra.nspawn.command import attempt, run, succeeds
from migrate.errors import MigrateError


@pytest.mark.parametrize("ask", [run, attempt, succeeds])
def test_a_missing_program_is_one_line(ask: object) -> None:
    with pytest.raises(
        MigrateError, match=r"^no-such-program is not on this host: `make packages`"
    ):
        ask("no-such-program", "--help")  # type: ignore[operator]


def test_the_lab_tells_it_as_one_line() -> None:
    """`python -m tests.lab down` where nothing was installed, not even `ip`."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.lab", "status"],
        env={"PATH": "/nowhere", "SIDESTEP_LAB": "/nowhere/lab", "HOME": "/"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
