"""kill -9 at any instant, then the same command: the same end as if nothing had happened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.bench import Bench
from tests.faults.conftest import Reference
from tests.faults.state import differences
from tests.faults.tally import Tally

pytestmark = pytest.mark.rig

# where the most can go wrong: the source is fenced, the address has moved
FEW = "fence.control unnoted|vip.takeover unnoted"
WHOLE = pytest.mark.in_set("faults-resume")
# of about five kills each: a run that goes on ends sooner than the next instant comes
PASSES = int(os.environ.get("FAULTS_PASSES", "12"))


@pytest.mark.parametrize(
    ("where", "kills"),
    [
        pytest.param(FEW, 1, id="few"),
        pytest.param(r".* (begun|unnoted)", 0, id="each", marks=WHOLE),
    ],
)
def test_killed_at_each_boundary(
    where: str,
    kills: int,
    bench: Bench,
    reference: Reference,
    tally: Tally,
    instants: Iterator[float],
    tmp_path: Path,
) -> None:
    bench.bring("found")
    bench.standing = ""
    crashes = bench.crash_through(
        "follow",
        "cutover",
        die_at=where,
        died=tmp_path / "died",
        instants=reference.within("cutover", instants, kills),
    )
    wrong = differences(reference.released, bench.picture(), "same")
    tally.crashes("boundary", crashes, wrong)
    assert crashes.failures + wrong == []
    bench.standing = "released"


def test_killed_before_its_report(bench: Bench, reference: Reference, tally: Tally) -> None:
    """All is done and noted: the same command tells it and does nothing else."""
    with tally.trial(bench, "boundary", "released", "released"):
        reports = [bench.papers / name for name in ("report.html", "report.json")]
        for report in reports:
            report.unlink()
        before = bench.events()
        bench.dies("cutover", "report begun")
        bench.well("cutover")
        assert all(report.exists() for report in reports)
        assert bench.events() == before
        assert differences(reference.released, bench.picture(), "same") == []


@pytest.mark.in_set("faults-random")
@pytest.mark.parametrize("number", range(PASSES))
def test_killed_at_random_instants(
    number: int, bench: Bench, reference: Reference, tally: Tally, instants: Iterator[float]
) -> None:
    """Back and over once; each run is killed after a while, until one comes to its end."""
    bench.bring("released")
    bench.standing = ""
    kills = killed_often(bench, tally, "rollback", reference.within("rollback", instants, 4))
    wrong = differences(reference.found, bench.picture(), "back")
    kills += killed_often(bench, tally, "follow", reference.within("follow", instants, 3))
    kills += killed_often(bench, tally, "cutover", reference.within("cutover", instants, 6))
    wrong += differences(reference.released, bench.picture(), "same")
    assert wrong == [], f"killed {', '.join(kills)}"
    tally.survived("random instant", len(kills))
    bench.standing = "released"


def killed_often(bench: Bench, tally: Tally, command: str, instants: Iterator[float]) -> list[str]:
    """*command* until it ends well, killed before at each of *instants*. When, for people."""
    kills: list[str] = []
    for after in instants:
        ended = bench.killed_after(after, command)
        if not ended.killed:
            break
        kills.append(f"{command} {after:.1f} s")
        tally.tried("random instant")
    else:
        ended = bench.run(command)
    assert ended.status == 0, f"{command}, killed at {', '.join(kills)}: {ended}"
    return kills
