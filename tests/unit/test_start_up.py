"""Help, completion and errors of usage load click, and nothing of what moves a cloud."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOADED = """
import atexit, sys
atexit.register(lambda: print("LOADED", *sys.modules))
from migrate.cli.commands import main
main()
"""
OURS = {"migrate", "migrate.errors", *(f"migrate.cli{one}" for one in ("", ".commands"))}
OURS |= {"migrate.cli.options", "migrate.cli.terminal"}
HEAVY = {"boto3", "cryptography", "fabric", "jinja2", "openstack", "paramiko", "pulumi"}
HEAVY |= {"pydantic", "pymysql", "rich", "yaml"}


@pytest.mark.parametrize(
    ("argv", "code", "environment"),
    [
        (["--help"], 0, {}),
        (["cutover", "--help"], 0, {}),
        (["--version"], 0, {}),
        (["no-such-command"], 2, {}),
        (["plan", "--no-such-option"], 2, {}),
        (["cutover", "--execute", "--stack", "prod", "--confirm", "prdo"], 2, {}),
        (
            [],
            0,
            {"_MIGRATE_COMPLETE": "bash_complete", "COMP_WORDS": "migrate ", "COMP_CWORD": "1"},
        ),
    ],
)
def test_what_moves_nothing_loads_nothing(
    argv: list[str], code: int, environment: dict[str, str]
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *argv],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    loaded = set(ended.stdout.rpartition("LOADED")[2].split())
    assert {one for one in loaded if one.split(".")[0] == "migrate"} == OURS
    assert loaded.isdisjoint(HEAVY)
