"""The toolchain: found or built once, then found; what the operator has set is left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.infra.engine import REPOSITORY

pytestmark = pytest.mark.integration


def call(*argv: str, **variables: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")} | variables
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The tools in a folder of their own, so that the state and passphrase are new."""
    shutil.copytree(REPOSITORY / "tools", tmp_path / "tools")
    return tmp_path


def test_a_second_install_builds_nothing() -> None:
    began = time.monotonic()
    said = call(str(REPOSITORY / "tools/install"))
    assert "building" not in said
    assert "5.5.3 is installed" in said
    assert time.monotonic() - began < 100


def test_the_pinned_parts_are_found_without_a_network(checkout: Path) -> None:
    run = str(checkout / "tools/run")
    offline = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    major, minor, _ = call(run, "pulumi", "version", **offline).lstrip("v").split(".")
    assert (int(major), int(minor)) >= (3, 253)
    listed = call(run, "pulumi", "plugin", "ls", **offline).split()
    assert listed[listed.index("openstack") + 2] == "5.5.3"


def test_state_and_passphrase_stay_beside_the_operator_and_are_kept(checkout: Path) -> None:
    run = str(checkout / "tools/run")
    shown = call(run, "bash", "-c", "echo $PULUMI_BACKEND_URL $PULUMI_CONFIG_PASSPHRASE_FILE")
    backend, passphrase = shown.split()
    assert backend == f"file://{checkout}/.pulumi/state"
    first = Path(passphrase).read_text()
    assert len(first.strip()) >= 32
    assert Path(passphrase).stat().st_mode & 0o077 == 0
    call(run, "true")
    assert Path(passphrase).read_text() == first


def test_what_the_operator_has_set_is_left_alone(checkout: Path) -> None:
    shown = call(
        str(checkout / "tools/run"),
        *("bash", "-c", "echo $PULUMI_BACKEND_URL ${PULUMI_CONFIG_PASSPHRASE_FILE:-none}"),
        PULUMI_BACKEND_URL="s3://states",
        PULUMI_CONFIG_PASSPHRASE="mine",
    )
    assert shown.split() == ["s3://states", "none"]
    assert not (checkout / ".pulumi").exists()
