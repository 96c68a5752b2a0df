"""The line that README has for a shell completes commands and options there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import readme


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["cut"], {"cutover"}),
        (["cutover", "--e"], {"--execute"}),
        (["rollback", "--accept"], {"--accept-losses"}),
        (["plan", "no-such"], set()),
    ],
)
def test_completion_in_bash(tmp_path: Path, words: list[str], completed: set[str]) -> None:
    (line,) = readme.commands("completion")
    command = tmp_path / "migrate"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m migrate.cli "$@"\n')
    command.chmod(0o755)
    script = f"""
        {line}
        COMP_WORDS=(migrate {" ".join(words)}) COMP_CWORD={len(words)}
        _migrate_completion migrate
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(
        ["bash", "-c", script],
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(readme.README.parent),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(ended.stdout.split()) == completed, ended.stderr
