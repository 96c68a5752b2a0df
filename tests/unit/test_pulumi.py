"""Pulumi that is slow, broken or silent is told in one line."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from pulumi import RunError

from migrate.cloud import pulumi
from migrate.errors import PreconditionError


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exec sleep 60", r"pulumi preview gave no answer within 1 s: run `pulumi preview --json"),
        ("echo nothing", "pulumi preview gave no JSON: 'nothing'"),
        ("echo error: no stack named prod >&2; exit 255", "failed: error: no stack named prod"),
        ("exit 1", "failed: no reason given"),
    ],
)
def test_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(pulumi, "SECONDS", 1 if "sleep" in script else 60)
    with pytest.raises(PreconditionError, match=told):
        pulumi.changes("prod", tmp_path)


def test_a_mistake_in_the_stack_file_is_pulumi_s_one_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text("config: {'sidestep:provder': existing}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pulumi.get_stack", lambda: "prod")
    with pytest.raises(RunError, match=r"sidestep:provder: .*did you mean provider\?"):
        runpy.run_module("infra")
