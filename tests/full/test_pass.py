"""Two whole passes in the lab: one step by step and back by `rollback`, one as the README says.

The order of the tests is the order of the night: each goes on from where the one before it ended.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from migrate.phases.compose import compose
from migrate.session import context_of
from migrate.settings import home
from tests.lab import late
from tests.lab.demo import stand_up
from tests.lab.settings import lab as this_lab
from tests.readme import commands

pytestmark = pytest.mark.lab

STACK = "lab"


def demo(half: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tests.lab.demo", half], text=True, check=False)


def migrate(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "migrate.cli", *argv, "--stack", STACK]
    return subprocess.run(command, text=True, check=False, capture_output=True)


def succeeds(*argv: str) -> None:
    ended = migrate(*argv)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def done() -> dict[str, bool]:
    """Every step of the lab's plan and whether the machines show it done."""
    context = context_of(STACK)
    with ThreadPoolExecutor(8) as pool:
        steps = list(compose(context))
        return dict(
            zip([s.id for s in steps], pool.map(lambda s: s.done(context), steps), strict=True)
        )


@pytest.fixture(scope="module")
def papers() -> Path:
    return home(STACK)


@pytest.fixture(scope="module")
def report(papers: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((papers / "report.json").read_text())
    return found


# step by step, with users who begin things in the last instant


def test_no_step_is_done_on_a_new_target() -> None:
    stand_up(this_lab())
    for line in commands("over")[:3]:  # the stack and its machines
        subprocess.run(["bash", "-c", line], check=True)
    assert [step for step, is_done in done().items() if is_done] == []


def test_what_begins_as_the_doors_close_ends_complete_or_refused(papers: Path) -> None:
    succeeds("follow", "--execute")
    with late.Late(this_lab(), papers) as last:
        succeeds("cutover", "--execute", "--confirm", STACK)
    print("begun as the doors closed:", last.answers, "now", late.found(this_lab()))
    assert late.wrong(last, late.found(this_lab())) == []
    assert "accepted" in last.answers.values()


def test_every_step_is_done_after_the_cutover() -> None:
    assert [step for step, is_done in done().items() if not is_done] == []


def test_no_step_is_done_after_the_rollback() -> None:
    succeeds("verify")
    succeeds("rollback", "--execute", "--accept-losses")
    assert [step for step, is_done in done().items() if is_done] == []
    late.remove(this_lab())  # on the source, which knows them too


# as the README says


def test_over() -> None:
    assert demo("over").returncode == 0


def test_everything_is_there_and_equal(report: dict[str, Any]) -> None:
    verification = report["proofs"]["verification"]
    assert verification["good"]
    assert verification["differences"] == []
    assert verification["resources"] > 100


def test_a_new_server_booted_on_an_old_compute(report: dict[str, Any]) -> None:
    assert report["proofs"]["verification"]["booted"]["compute"] in this_lab().computes


@pytest.mark.parametrize("command", ["follow", "cutover"])
def test_after_the_release_nothing_begins_again(command: str) -> None:
    confirm = ["--confirm", STACK] if command == "cutover" else []
    ended = migrate(command, "--execute", *confirm)
    assert ended.returncode == 3
    assert "the target serves" in ended.stderr


def test_nor_without_its_journal(papers: Path) -> None:
    journal = papers / "journal"
    journal.rename(papers / "journal.away")
    try:
        ended = migrate("cutover", "--execute", "--confirm", STACK)
    finally:
        (papers / "journal.away").replace(journal)
    assert ended.returncode == 3
    assert "the target serves" in ended.stderr


def test_destroy_is_refused_unless_the_stack_is_named() -> None:
    ended = subprocess.run(
        ["pulumi", "destroy", "--yes", "--skip-preview", "--stack", STACK],
        text=True,
        check=False,
        capture_output=True,
    )
    assert ended.returncode != 0
    assert f"MIGRATE_GO_BACK={STACK} pulumi destroy" in ended.stdout + ended.stderr


def test_no_password_of_the_cloud_is_in_our_papers(papers: Path) -> None:
    secrets = [this_lab().password(owner) for owner in ("nova", "keystone", "rabbit", "admin")]
    for path in papers.rglob("*"):
        if path.is_file() and path.name != "tokens-before.json":
            content = path.read_text(errors="replace")
            assert not [secret for secret in secrets if secret in content], path


def test_back() -> None:
    assert demo("back").returncode == 0


def test_the_readme_names_every_command() -> None:
    named = {line.split()[1] for line in commands("over") if line.startswith("migrate ")}
    assert named == {"plan", "check", "backup", "follow", "cutover", "verify", "status"}
