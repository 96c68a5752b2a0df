"""The whole lab: its window is killed again and again, and gone back from in the middle."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from migrate.cloud.settings import home
from migrate.engine.journal import BEGUN, Event
from migrate.engine.plan import Phase
from migrate.phases.plan import compose
from migrate.phases.session import context_of
from tests.faults import bench, state
from tests.faults.bench import Ended
from tests.faults.tally import Tally
from tests.full.test_pass import STACK, succeeds
from tests.lab import cloud
from tests.lab.demo import Papers, remove_cut_off, stand_up
from tests.lab.settings import lab as this_lab
from tests.readme import commands, run

pytestmark = [pytest.mark.lab, pytest.mark.in_set("faults-lab")]
KILLS = 20
LONGEST = 12.0  # seconds: all of them must fit into the window's limit
CLOSES = "gate.users"
CUTOVER = ("cutover", "--execute", "--confirm", STACK)
BACK = ("rollback", "--execute", "--accept-losses")
# a real cloud writes heartbeats, and its agents start what they mind, by a helper that comes and
# goes, a while after their own start; rows are compared by the window itself, resources by
# `verify`, which boots a server that asks dnsmasq
LIVE = (
    " tables ",
    " variables ",
    " operator ",
    " files /var/lib/migrate/fingerprint.json",
    " processes nobody dnsmasq",
    *(f" processes root {name}-rootwra" for name in ("neutron", "nova", "cinder")),
)


@pytest.fixture(scope="module")
def papers() -> Iterator[Path]:
    """The lab's source, and a target beside it as `pulumi up` leaves it; afterwards neither."""
    Papers(this_lab()).traces.unlink(missing_ok=True)  # of another pass, with what it had made
    remove_cut_off(this_lab())
    stand_up(this_lab())
    run(commands("over")[:3])
    try:
        yield home(STACK)
        run(commands("back"))
    finally:
        cloud.down(this_lab())


@pytest.fixture(scope="module")
def undisturbed(papers: Path) -> dict[str, state.Picture]:
    """Once over and back without a fault, on the same machines."""
    seen = {"found": picture()}
    succeeds("follow", "--execute")
    succeeds(*CUTOVER)
    seen["released"] = picture()
    succeeds(*BACK)
    return seen


def unlike(expected: bool) -> list[str]:
    """The steps of the way over that the machines do not show as *expected*.

    They are asked twice: a service that is up may answer too late under all that is asked at once.
    """
    context = context_of(STACK)
    steps = list(compose(context).phase(Phase.FOLLOW, Phase.CUTOVER))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda step: step.done(context), steps))
    other = [step for step, done in zip(steps, found, strict=True) if done is not expected]
    time.sleep(20 if other else 0)
    return [step.id for step in other if step.done(context) is not expected]


def picture() -> state.Picture:
    return state.picture(context_of(STACK))


def differing(one: state.Picture, other: state.Picture, kind: str) -> list[str]:
    found = state.differences(one, other, kind)
    return [line for line in found if not any(part in line for part in LIVE)]


def events(papers: Path) -> list[Event]:
    return [e for e in bench.noted(papers / "journal") if e.phase == Phase.CUTOVER]


def open_window(papers: Path) -> bool:
    last = {event.step: event.state for event in events(papers)}
    return last.get(CLOSES) in BEGUN


def killed_in_the_window(papers: Path, after: float) -> Ended:
    """`migrate cutover`, killed *after* seconds of work in its window, unless it ends before."""
    before = len(events(papers))
    child = subprocess.Popen(
        [sys.executable, "-m", "migrate.cli", *CUTOVER, "--stack", STACK],
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return bench.killed_when(
        child, lambda: len(events(papers)) > before and open_window(papers), after
    )


def test_killed_in_the_window(
    papers: Path,
    undisturbed: dict[str, state.Picture],
    tally: Tally,
    instants: Iterator[float],
) -> None:
    succeeds("follow", "--execute")
    kills: list[str] = []
    for after in (one * LONGEST for one in islice(instants, KILLS)):
        ended = killed_in_the_window(papers, after)
        if not ended.killed:
            assert ended.status == 0, f"after {kills}: {ended}"
            break
        tally.tried("random instant in the lab's window")
        kills.append(f"{after:.1f} s")
    else:
        succeeds(*CUTOVER)
    tally.remark(f"the lab's window was killed after {', '.join(kills)} of work")
    assert unlike(expected=True) == []
    assert differing(undisturbed["released"], picture(), "same") == []
    succeeds("verify")
    tally.survived("random instant in the lab's window", len(kills))


def test_and_back_to_what_it_was(
    papers: Path, undisturbed: dict[str, state.Picture], tally: Tally
) -> None:
    with tally.counted("rollback point in the lab"):
        succeeds(*BACK)
        came_back(undisturbed)


@pytest.mark.parametrize("word", ["rollback", "abort"])
@pytest.mark.parametrize("after", [2.0, 8.0, 15.0])
def test_back_from_the_middle_of_the_window(
    word: str,
    after: float,
    papers: Path,
    undisturbed: dict[str, state.Picture],
    tally: Tally,
) -> None:
    with tally.counted("rollback point in the lab"):
        succeeds("follow", "--execute")
        assert killed_in_the_window(papers, after).killed
        began = time.monotonic()
        if word == "abort":
            succeeds("abort")
            assert cloud.silent_apis(this_lab()) == []
        else:
            succeeds(*BACK)
        serves = time.monotonic() - began
        tally.remark(f"the lab, {word} after {after:.0f} s of window: serves {serves:.0f} s later")
        succeeds(*BACK)
        came_back(undisturbed)


def test_back_from_after_follow(
    papers: Path, undisturbed: dict[str, state.Picture], tally: Tally
) -> None:
    with tally.counted("rollback point in the lab"):
        succeeds("follow", "--execute")
        succeeds(*BACK)
        came_back(undisturbed)


def came_back(undisturbed: dict[str, state.Picture]) -> None:
    """The source serves, has what it had, and nothing of ours is anywhere."""
    assert unlike(expected=False) == []
    assert cloud.is_healthy(this_lab(), cloud.HEARD_SECONDS)
    assert Papers(this_lab()).compare_after() == []
    assert differing(undisturbed["found"], picture(), "back") == []
