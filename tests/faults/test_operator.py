"""What can happen on the operator's own side: to the journal, the disk, the operator himself."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.cloud import login
from migrate.onhost import call
from tests.faults.bench import COMMANDS, Bench
from tests.faults.conftest import Reference
from tests.faults.state import differences
from tests.faults.tally import Tally
from tests.faults.test_window import UNDONE
from tests.wait import waits_for

pytestmark = pytest.mark.rig
# seconds after which a source whose operator is dead reopens itself; a busy machine has its window
# in them, too
LIMIT = 120


@pytest.fixture
def small(bench: Bench) -> Iterator[Path]:
    """The papers on a file system of their own, as large as the checks want it."""
    bench.bring("followed")
    home = bench.folder / ".migrate"
    kept = bench.folder / "kept"
    home.rename(kept)
    home.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(home)], check=True)
    shutil.copytree(kept, home, dirs_exist_ok=True)
    try:
        yield home
    finally:
        shutil.rmtree(kept)
        shutil.copytree(home, kept)
        subprocess.run(["umount", str(home)], check=True)
        home.rmdir()
        kept.rename(home)


def fill(folder: Path) -> None:
    """Leave no room in *folder*'s file system."""
    for name, block in (("filler", "1M"), ("rest", "1k")):
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={folder / name}", f"bs={block}"],
            check=False,
            capture_output=True,
        )


@pytest.mark.in_set("faults-operator")
def test_the_operators_disk_fills_in_the_window(
    bench: Bench, reference: Reference, tally: Tally, small: Path
) -> None:
    with tally.trial(bench, "fault: disk", "followed", "released"):
        ended = bench.during("cutover", "database.copy", lambda: fill(small))
        assert ended.status in (4, 6), ended
        assert "database or disk is full" in ended.said
        assert UNDONE in ended.said  # what cannot be noted is undone all the same
        (small / "filler").unlink()
        (small / "rest").unlink()
        bench.well("cutover")
        assert differences(reference.released, bench.picture(), "same") == []


@pytest.mark.in_set("faults-operator")
def test_a_journal_that_is_none(bench: Bench, tally: Tally) -> None:
    """Corrupted, foreign, of a newer program: refused with a remedy, and nothing is touched."""
    if not bench.standing:
        bench.reset()
    seen = bench.picture()
    path = bench.papers / "journal"
    whole = path.read_bytes()

    def foreign() -> None:
        path.unlink()
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE mails (id INTEGER)")

    def newer() -> None:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 99")

    broken = {
        "corrupted": lambda: path.write_bytes(whole[:2048] + b"\xff" * 8192 + whole[10240:]),
        "cut short": lambda: path.write_bytes(whole[:5000]),
        "foreign": foreign,
        "newer": newer,
    }
    for name, breaks in broken.items():
        with tally.counted("fault: journal"):
            breaks()
            for command in ("follow", "rollback"):
                ended = bench.run(command)
                assert ended.status == 6, f"{name}, {command}: {ended}"
                assert "journal" in ended.said
                assert "Traceback" not in ended.said
            path.write_bytes(whole)
            path.chmod(0o600)
    left = differences(seen, bench.picture(), "same")
    assert [line for line in left if "operator papers" not in line] == []  # lock and log are new


@pytest.mark.in_set("faults-operator")
def test_a_journal_lost_in_the_window(bench: Bench, reference: Reference, tally: Tally) -> None:
    """The machines know what was done: going back needs no paper, only the word that it is lost."""
    with tally.trial(bench, "fault: journal", "followed", "found"):
        bench.dies("cutover", "keystone.start unnoted")
        shutil.rmtree(bench.papers)
        refused = bench.run("rollback")  # who died there is not known to be us
        assert refused.status == 7, refused
        assert "if it is dead, the same command with --take-over" in refused.said
        bench.well(*COMMANDS["rollback"], "--take-over")
        assert bench.serves() == []
        assert differences(reference.found, bench.picture(), "back") == []


@pytest.mark.in_set("faults-operator")
def test_a_journal_lost_after_the_release(bench: Bench, reference: Reference, tally: Tally) -> None:
    with tally.trial(bench, "fault: journal", "released", "found"):
        shutil.rmtree(bench.papers)
        for command in ("follow", "cutover"):
            ended = bench.run(command)
            assert ended.status == 3, ended
            assert "the target serves" in ended.said
        bench.well("rollback")
        assert differences(reference.found, bench.picture(), "back") == []


@pytest.mark.in_set("faults-operator")
def test_an_operator_who_does_not_come_back(bench: Bench, tally: Tally) -> None:
    """The source reopens itself; what users write then is on the target after the next window."""
    with tally.counted("fault: operator"):
        bench.reset(window={"limitSeconds": LIMIT})
        bench.standing = ""
        bench.well("follow")
        bench.dies("cutover", "glance.schema unnoted")
        source = bench.source()

        def stands() -> str:
            return str(call(source, "reopen_timer.state")["state"])

        assert waits_for(lambda: stands() == "reopened", LIMIT + 600), stands()
        assert bench.serves() == []
        api = login.api(bench.context, source)
        body = {"project": {"name": "written-after-the-reopening", "domain_id": "default"}}
        api.connection.session.post(f"{api.bases['identity']}/projects", json=body)
        bench.well("cutover")
        found = bench.target().shell("mariadb -N keystone -e 'SELECT name FROM project'")
        assert "written-after-the-reopening" in found
        time.sleep(LIMIT + 5)
        assert stands() == "disarmed"


@pytest.mark.in_set("faults-operator")
def test_two_operators(bench: Bench, reference: Reference, tally: Tally) -> None:
    """While one is at work the other is told who, and nothing happens."""
    with tally.trial(bench, "fault: operator", "found", "followed"):
        child = bench.begin("follow")
        while not bench.events():
            time.sleep(0.05)
        ended = bench.run("cutover")
        assert ended.status == 7, ended
        assert "for follow" in ended.said
        assert child.wait(600) == 0
        assert differences(reference.followed, bench.picture(), "same", "back") == []
