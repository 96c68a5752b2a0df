"""What it costs to drive hosts, beside what the hosts themselves take, and how the journal grows.

    python -m tests.bench.orchestration [at once [in the stack [seconds of a host [folder]]]]

A batch of hosts comes over by the steps of `settle`, of which each only waits, a share of the
seconds that the lab measured. All other hosts of the stack have come over before, by the journal.
What the batch took longer than its hosts, and of CPU, is compared with what they take in truth. The
journal is written to the disk of *folder*, the temporary one by default.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from migrate.computes.installers import in_place
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Phase, Plan, Step
from migrate.phases import renew
from migrate.phases.plan import settled
from migrate.phases.session import Session
from tests.unit import fakes

SHARE = 0.01  # of a host's seconds that all of it may cost, else this ends with 1
EVENT = "INSERT INTO event (at, run, phase, step, state, note) VALUES (?, 1, ?, ?, ?, '')"


def waiting(step: Step, share: float) -> Step:
    """*step* as one that only waits."""
    wait: Callable[[object], None] = lambda _: time.sleep(step.estimate * share)  # noqa: E731
    return replace(step, done=lambda _: False, apply=wait, revert=lambda _: None)


def fill(path: Path, steps: list[Step]) -> None:
    """Let the journal say that *steps* were done."""
    states = (State.STARTED, State.DONE)
    with sqlite3.connect(path) as link:
        rows = [(0.0, Phase.SETTLE.value, one.id, state.value) for one in steps for state in states]
        link.executemany(EVENT, rows)


def alone(journal: Journal) -> float:
    """Seconds until one event is on the disk."""
    began = time.monotonic()
    journal.record(Phase.FINISH, "alone", State.DONE)
    return time.monotonic() - began


def main(at_once: int, in_all: int, seconds: float, folder: str | None) -> None:
    names = [f"cmp{n:05}" for n in range(in_all)]
    real = sum(one.estimate for one in settled(names[0], in_place))
    steps = [waiting(one, seconds / real) for name in names for one in settled(name, in_place)]
    mine = names[-at_once:]
    with tempfile.TemporaryDirectory(dir=folder) as home:
        path = Path(home, "journal")
        journal = Journal(path, "bench")
        fill(path, steps[: -at_once * len(settled(names[0], in_place))])
        disk = min(alone(journal) for _ in range(5))
        before, rows = path.stat().st_size, len(journal.events())
        context, _ = fakes.context(Path(home))
        session = Session(context, Plan.of(steps), journal)
        outcome = renew.Outcome()
        began, cpu = time.monotonic(), time.process_time()
        renew.together(session, Phase.SETTLE, mine, lambda *_: None, outcome)
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        grown, events = path.stat().st_size - before, len(journal.events()) - rows
        journal.close()
    if outcome.failed:
        raise SystemExit(f"failed: {outcome.failed}")
    over = took - seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{at_once} hosts at once of {in_all}, {seconds:g} s each instead of {real:g}: "
        f"{took:.2f} s, {cpu:.2f} s of CPU, {peak:.0f} MB, load {os.getloadavg()[0]:.1f}\n"
        f"  longer by {over:.2f} s, {100 * over / real:.2f} % of a host's {real:g} s; of CPU "
        f"{100 * cpu / real:.2f} %; a row alone takes the disk {disk * 1000:.1f} ms\n"
        f"  journal: {events / at_once:.0f} rows and {grown / at_once:.0f} bytes for each host; "
        f"{before / 1e6:.1f} MB for the {in_all - at_once} before"
    )
    if over > SHARE * real:
        sys.exit(f"longer by more than {SHARE:.0%} of what the hosts take")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 200,
        int(given[1]) if given[1:] else 10_000,
        float(given[2]) if given[2:] else 20.0,
        given[3] if given[3:] else None,
    )
