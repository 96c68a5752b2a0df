"""Standard streams that are full, closed or read by nobody: no traceback, and no false success."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit import fakes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    config = {f"sidestep:{key}": one for key, one in fakes.STACK.items()}
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    return tmp_path


def ended(project: Path, streams: str, *argv: str, stdout: int | None = None) -> tuple[int, str]:
    """The exit code and stderr of `migrate` *argv* with *streams*, as a shell is told them."""
    environment = {name: value for name, value in os.environ.items() if name != "MIGRATE_HOME"}
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "migrate.cli", *argv],
        cwd=project,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def plan(form: str) -> tuple[str, ...]:
    return "plan", "--stack", "prod", "-f", form


@pytest.mark.parametrize(
    ("streams", "why", "argv"),
    [
        (">/dev/full", "No space left", plan("table")),
        (">/dev/full", "No space left", plan("value")),
        (">/dev/full", "No space left", ("plan", "--help")),
        (">&-", "Bad file", plan("json")),
        (">&-", "Bad file", ("--help",)),
    ],
)
def test_an_answer_that_was_not_written(
    project: Path, streams: str, why: str, argv: tuple[str, ...]
) -> None:
    code, said = ended(project, streams, *argv)
    assert code == 1, said
    *before, line = said.splitlines()
    assert line.startswith(f"error: the answer is not whole, stdout cannot be written: {why}")
    assert "Traceback" not in said
    assert not before or argv[-1] in ("json", "value")  # what is for people is on stderr then


@pytest.mark.parametrize("argv", [plan("table"), plan("json"), ("--help",)])
def test_a_pipe_that_nobody_reads(project: Path, argv: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code, said = ended(project, "", *argv, stdout=writing)
    os.close(writing)
    assert code == (1 if argv == ("--help",) else 141)  # click ends by itself
    assert "error" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("streams", "argv", "code"),
    [
        ("<&- >&- 2>&-", plan("table"), 1),
        ("<&- 2>&-", plan("json"), 0),
        ("<&-", ("cutover", "--stack", "prod", "--execute"), 2),
        (">/dev/full", ("plan", "--stack", "none"), 2),
    ],
)
def test_a_stream_that_is_closed(
    project: Path, streams: str, argv: tuple[str, ...], code: int
) -> None:
    found, said = ended(project, streams, *argv)
    assert found == code, said
    assert "Traceback" not in said
