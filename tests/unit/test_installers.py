"""How compute hosts come over is found by name, kept for each host, and brought by others too."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from migrate.computes import installers
from migrate.computes.installers import Installer, in_place, reinstall
from migrate.errors import PreconditionError, SettingsError
from migrate.phases.plan import compose, settled
from tests.unit import fakes

ROOT = Path(__file__).parents[2]
SHIPPED: list[Installer] = [in_place, reinstall]  # mypy compares them with the contract

OURS = """
from migrate.computes.installers.in_place import *
from migrate.computes.installers.in_place import ACTS, AHEAD, WAY
"""
ASK = """
from migrate.computes import installers
print(installers.names(), installers.named("by-hand").ACTS[0].name)
"""


def test_those_that_are_shipped_are_installers() -> None:
    assert installers.named("in-place") is in_place
    for name in installers.SHIPPED:
        assert isinstance(installers.named(name), Installer)


def test_an_unknown_one_is_told_with_those_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"'magic'; there are: in-place, reinstall"):
        installers.named("magic")


def test_another_distribution_brings_one(tmp_path: Path) -> None:
    (tmp_path / "by_hand.py").write_text(OURS)
    about = tmp_path / "by_hand-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: by-hand\nVersion: 1.0\n")
    text = "[sidestep.installers]\nby-hand = by_hand\nin-place = by_hand_too\nbad = os\n"
    (about / "entry_points.txt").write_text(text)
    told = _python(tmp_path, ASK)
    assert told.returncode == 0, told.stderr
    assert "'by-hand'" in told.stdout
    assert told.stdout.split()[-1] == "renew"
    bad = _python(tmp_path, ASK.replace("by-hand", "bad"))
    assert "os is no installer; mend or uninstall its package" in bad.stderr


def _python(site: Path, text: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{site}:{ROOT}"}
    argv = [sys.executable, "-c", text]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def test_that_of_a_host_is_kept_and_not_changed_in_the_middle(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    assert installers.chosen(context, "compute") == "in-place"
    installers.keep(context, ["compute"], "reinstall", begun=[])
    assert installers.chosen(context, "compute") == "reinstall"
    with pytest.raises(PreconditionError, match=r"compute \(reinstall\) is in the middle"):
        installers.keep(context, ["compute"], "in-place", begun=["compute"])
    installers.forget(context, "compute")
    assert installers.chosen(context, "compute") == "in-place"


def test_the_stack_file_says_which_and_the_plan_shows_it(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    decided = context.settings.settle.model_copy(update={"by": "magic"})
    settings = context.settings.model_copy(update={"settle": decided})
    with pytest.raises(SettingsError, match="'magic'"):
        compose(replace(context, settings=settings))
    ours = {one.id for one in settled("compute", in_place)}
    assert ours <= {one.id for one in compose(context)}
