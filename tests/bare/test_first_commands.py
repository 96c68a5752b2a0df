"""Each target of the Makefile is the first command that somebody gives on a bare Debian 12."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bare.root import CHECKOUT, BareRoot, bare_root

pytestmark = pytest.mark.bare

CLONE = "git clone -q /source sidestep; cd sidestep; "
# what the first word of a recipe tells of it
ENVIRONMENT, PACKAGES, TOOLS = (
    "python3 -c",
    ".venv/bin/python -m tests.lab packages",
    "tools/install",
)
WANTED = {
    "check-style": [ENVIRONMENT],
    "unit": [ENVIRONMENT],
    "lab-up": [ENVIRONMENT, PACKAGES],
    "lab-down": [ENVIRONMENT, PACKAGES],
    "tools": [ENVIRONMENT, TOOLS],
    "demo": [ENVIRONMENT, PACKAGES, TOOLS],
    "demo-over": [ENVIRONMENT, PACKAGES, TOOLS],
    "demo-back": [ENVIRONMENT, PACKAGES, TOOLS],
    "test": [ENVIRONMENT, PACKAGES, TOOLS],
    "test-all": [ENVIRONMENT, PACKAGES, TOOLS],
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareRoot]:
    with bare_root(tmp_path_factory.mktemp("bare")) as made:
        yield made


@pytest.mark.parametrize("target", WANTED)
def test_what_a_target_needs_comes_before_it(target: str, tmp_path: Path) -> None:
    """In a checkout where nothing was made yet."""
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(tmp_path / "new")], check=True)
    said = subprocess.check_output(["make", "-n", target], cwd=tmp_path / "new", text=True)
    places = [said.find(words) for words in WANTED[target]]
    assert -1 not in places, said
    assert places == sorted(places)


def test_the_first_commands_of_all(bare: BareRoot) -> None:
    """`lab-down` needs environment and packages, and finds nothing; then tools; then a machine."""
    said = bare.well(CLONE + "make lab-down")
    assert "installed: systemd-container" in said
    assert "Traceback" not in said
    assert "the openstack provider" in bare.well("cd sidestep; make tools")
    tests = "tests/lab/test_machines.py -k test_both_users_get_in_and_become_root"
    said = bare.well(f"cd sidestep; .venv/bin/pytest -q --basetemp /var/lib/sidestep/t {tests}")
    assert "1 passed" in said


@pytest.mark.in_set("bare")
def test_the_demo_is_the_first_command(tmp_path: Path) -> None:
    with bare_root(tmp_path / "bare") as bare:
        said = bare.well(CLONE + "make demo; make lab-down", seconds=5400)
    assert "the source is as it was before sidestep came" in said
