"""A ninth service is one file: a recipe of another distribution has a place everywhere.

The distribution is made here, and found as any that pip has installed.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.services import CORE

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).with_name("another_service")
STACK = FILES.parent / "plans/one-controller-many-computes.yaml"
# whoever is about the dashboard, image files, volumes on storage of both sides or compute hosts
NAMED = {
    "checks/release.py": {"nova"},
    "checks/shape.py": {"nova"},
    "configuration/dashboard.py": {"horizon"},
    "onhost/dashboard.py": {"horizon"},
    "onhost/policy.py": {"cinder", "glance"},
    "storage/images/image_passes.py": {"glance"},
    "storage/rbd/clients.py": {"cinder", "glance"},
    "storage/volumes/nfs.py": {"cinder"},
    "storage/volumes/policy.py": {"cinder", "glance"},
    "verify/live.py": {"nova"},
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages with `sidestep-barbican` in it, and a stack that lists it."""
    (tmp_path / "sidestep_barbican.py").write_text((FILES / "sidestep_barbican.py").read_text())
    about = tmp_path / "sidestep_barbican-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: sidestep-barbican\nVersion: 1.0\n"
    )
    (about / "entry_points.txt").write_text(
        "[sidestep.recipes]\nbarbican = sidestep_barbican:RECIPE\n"
    )
    config = yaml.safe_load(STACK.read_text())["config"]
    config["sidestep:services"] = ["keystone", "barbican"]
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks/Pulumi.one.yaml").write_text(yaml.safe_dump({"config": config}))
    return tmp_path


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{site}:{ROOT}"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=site,
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_its_steps_are_planned(site: Path) -> None:
    done = python(site, "-m", "migrate.cli", "plan", "--stack", "one", "--json")
    assert done.returncode == 0, done.stderr
    steps = {step["id"]: step for step in json.loads(done.stdout)}
    own = [id_ for id_ in steps if id_.startswith("barbican.")]
    assert own == ["barbican.config", "barbican.keys", "barbican.schema", "barbican.start"]
    assert "barbican.schema" in steps["barbican.start"]["needs"]
    assert "barbican.schema" in steps["database.synced"]["needs"]


def test_it_has_a_place_in_what_was_a_table(site: Path) -> None:
    done = python(site, str(FILES / "look.py"))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found == json.loads((FILES / "found.json").read_text())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_of_this_name", "cannot be loaded: ModuleNotFoundError"),
        ("raise SystemExit(0)", "cannot be loaded: SystemExit"),
        ("RECIPE = 'barbican'", "sidestep_barbican:RECIPE is no recipe"),
        (
            "from migrate.services import base; RECIPE = object.__new__(base.Recipe)",
            "sidestep_barbican:RECIPE is no recipe",
        ),
    ],
)
def test_one_that_cannot_be_used_is_named(site: Path, text: str, told: str) -> None:
    (site / "sidestep_barbican.py").write_text(text)
    done = python(site, "-m", "migrate.cli", "plan", "--stack", "one")
    assert done.returncode != 0
    assert told in done.stderr
    assert "uninstall its package" in done.stderr


def test_no_other_module_names_a_service() -> None:
    found = {}
    for path in sorted((ROOT / "migrate").rglob("*.py")):
        if not {"services", "computes"} & set(path.parts) and (names := set(named(path))):
            found[str(path.relative_to(ROOT / "migrate"))] = names
    assert found == NAMED


def named(path: Path) -> Iterator[str]:
    """Projects that a text of *path* begins with: their names, units, files, parts."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for name in (recipe.project for recipe in CORE):
                if node.value == name or node.value.startswith(
                    (f"{name}.", f"{name}-", f"/etc/{name}/")
                ):
                    yield name
