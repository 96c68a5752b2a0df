"""A program that waits before it reads its configuration: a real interpreter, a barrier, a go."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.onhost import preload
from migrate.services import RECIPES
from migrate.takeover.preload import MODULES, PROGRAM

PROGRAM_THAT_BEGINS = """
import os, oslo_config.cfg
print("imported", flush=True)
oslo_config.cfg.ConfigOpts()("a", b=1)
oslo_config.cfg.ConfigOpts()("again")
print(sorted(name for name in os.environ if name in ("PYTHONPATH", "MIGRATE_EARLY")), flush=True)
import late
"""
CONFIGURATION = """
class ConfigOpts:
    def __call__(self, *given, **named):
        print("begun", given, named, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sitecustomize.py").write_text(PROGRAM)
    (tmp_path / "modules.json").write_text('{"api": ["late", "nothing.of.this.name"]}')
    (tmp_path / "program.py").write_text(PROGRAM_THAT_BEGINS)
    (tmp_path / "late.py").write_text('print("late", flush=True)')
    (tmp_path / "oslo_config").mkdir()
    (tmp_path / "oslo_config/__init__.py").touch()
    (tmp_path / "oslo_config/cfg.py").write_text(CONFIGURATION)
    return tmp_path


@pytest.fixture
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with begin(folder, "api") as child:
        yield child
        child.kill()


def begin(folder: Path, unit: str, python: str = sys.executable) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)} | (
        {"MIGRATE_EARLY": unit} if unit else {}
    )
    return subprocess.Popen(
        [python, str(folder / "program.py")],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def ready(folder: Path) -> int:
    """The process that waits, once it does."""
    deadline = time.monotonic() + 120
    while not (folder / "api.ready").exists() or not (folder / "api.ready").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int((folder / "api.ready").read_text())


BEGUN = ["begun ('a',) {'b': 1}", "begun ('again',) {}", "[]"]


def test_it_imports_and_waits_until_it_may_go(folder: Path, started: subprocess.Popen[str]) -> None:
    assert ready(folder) == started.pid
    time.sleep(0.3)
    assert started.poll() is None
    (folder / "api.go").touch()
    said = started.communicate(timeout=20)[0].splitlines()
    assert said == ["imported", "late", "not preloaded: nothing.of.this.name", *BEGUN]


def test_new_packages_end_it_so_that_it_is_started_with_them(folder: Path) -> None:
    venv.create(folder / "release", symlinks=True)
    (packages,) = (folder / "release/lib").glob("*/site-packages")
    with begin(folder, "api", str(folder / "release/bin/python")) as child:
        ready(folder)
        (packages / "something_new").mkdir()
        assert "begun" not in child.communicate(timeout=20)[0]
        assert child.returncode == 1


@pytest.mark.parametrize("unit", ["api", ""])
def test_where_nobody_holds_it_nothing_is_different(folder: Path, unit: str) -> None:
    (folder / "api.go").touch()
    with begin(folder, unit) as child:
        assert child.communicate(timeout=20)[0].splitlines() == ["imported", *BEGUN, "late"]
    assert not (folder / "api.ready").exists()


def test_one_on_its_way_to_the_barrier_is_held_until_it_is_let_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that dies while it starts services leaves some that have not come there yet."""
    monkeypatch.setattr(preload, "FOLDER", str(folder))
    monkeypatch.setattr(preload, "UNITS", str(folder / "units"))
    drop_in = folder / "units/api.service.d" / preload.DROP_IN
    assert preload.held(["api"]) == []  # somebody else's
    drop_in.parent.mkdir(parents=True)
    drop_in.touch()
    assert preload.held(["api", "other"]) == ["api"]
    preload.open_barrier(["api"])
    assert preload.held(["api"]) == []


def test_every_unit_that_can_wait_is_a_recipe_s() -> None:
    units = {unit for recipe in RECIPES for unit in recipe.target_units}
    assert units - set(MODULES) == {"horizon"}
    assert set(MODULES) <= units
