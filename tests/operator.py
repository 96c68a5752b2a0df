"""Somebody who types `migrate` in a project folder of their own, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parent.parent
STACK = "rig"
# stands for an engine whose stack is up to date: it is not what these tests are about
PULUMI = """#!/bin/sh
case $1 in preview) echo '{"steps": []}';; *) echo "error: no stack selected" >&2; exit 1;; esac
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said where."""

    status: int
    stdout: str
    stderr: str

    def refuses(self, status: int, *words: str) -> None:
        """Assert the exit code, and one line on stderr that holds all *words*."""
        told = f"exit {self.status}\n{self.stderr}\n{self.stdout}"
        assert self.status == status, told
        lines = self.stderr.splitlines()
        assert len(lines) == 1, told
        assert lines[0].startswith("error: "), told
        for word in words:
            assert word in lines[0], told

    def fails(self, status: int, *words: str) -> None:
        """Assert the exit code, and *words* in stderr's first line; how things stand follows."""
        told = f"exit {self.status}\n{self.stderr}\n{self.stdout}"
        assert self.status == status, told
        first, *rest = self.stderr.splitlines()
        assert first.startswith("error: "), told
        assert all(line.startswith("  ") for line in rest), told
        for word in words:
            assert word in first, told

    def finds(self, *words: str) -> None:
        """Assert that one line of what was found holds all *words*."""
        found = [line for line in self.stdout.splitlines() if all(word in line for word in words)]
        assert found, self.stdout


class Operator:
    """A folder with `Pulumi.yaml`, one stack file, a `pulumi` that says yes, and papers."""

    def __init__(self, root: Path, config: dict[str, Any]) -> None:
        self.root, self.config = root, config
        (root / "stacks").mkdir(parents=True)
        (root / "bin").mkdir()
        (root / "Pulumi.yaml").touch()
        (root / "bin/pulumi").write_text(PULUMI)
        (root / "bin/pulumi").chmod(0o755)

    def migrate(
        self, *argv: str, stack: str = STACK, pulumi: bool = True, **changed: dict[str, Any]
    ) -> Ended:
        """Run `migrate` *argv* on *stack*; *changed* are parts of the config as they should be.

        `migrate("check", target={"release": "2025.2"})` changes one key of one part. An empty
        *stack* leaves `--stack` out; without *pulumi* there is none on PATH.
        """
        config = dict(self.config)
        for part, values in changed.items():
            config[f"sidestep:{part}"] = {**config.get(f"sidestep:{part}", {}), **values}
        self.write(yaml.safe_dump({"config": config}))
        named = ["--stack", stack] if stack else []
        ended = subprocess.run(
            [sys.executable, "-m", "migrate.cli", *argv, *named],
            cwd=self.root,
            env={
                **os.environ,
                "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}" if pulumi else "/nowhere",
                "PYTHONPATH": str(REPOSITORY),
                "MIGRATE_HOME": str(self.root / "papers"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def write(self, text: str) -> None:
        """Put *text* into the stack's file."""
        file = self.root / f"stacks/Pulumi.{STACK}.yaml"
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
