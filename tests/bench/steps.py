"""How long 30,000 steps that do nothing take to plan, and to go through there and back.

    python -m tests.bench.steps [count [folder for the journal]]

In memory by default: on a disk nearly all is the journal's writing, which waits for it each time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from migrate.engine.journal import Journal
from migrate.engine.plan import Phase, Plan, Step
from migrate.engine.runner import Runner

CONTEXT: Any = SimpleNamespace(dead_targets=frozenset(), optional=frozenset())


def steps(count: int, needs: Callable[[int], tuple[str, ...]]) -> list[Step]:
    phases = list(Phase)
    return [
        Step(
            id=f"s{n}",
            title=f"s{n}",
            phase=phases[n * 4 // count],
            done=lambda _: False,
            apply=lambda _: None,
            revert=lambda _: None,
            needs=needs(n),
        )
        for n in range(count)
    ]


def timed(what: str, act: Callable[[], Any]) -> Any:
    began = time.monotonic()
    found = act()
    print(f"{what}: {time.monotonic() - began:.2f} s")
    return found


def main(count: int, folder: str) -> None:
    shapes: dict[str, Callable[[int], tuple[str, ...]]] = {
        "no needs": lambda _: (),
        "a chain": lambda n: (f"s{n - 1}",) if n else (),
        "all after one": lambda n: ("s0",) if n else (),
        "ten each": lambda n: tuple(f"s{m}" for m in range(max(0, n - 10), n)),
    }
    for shape, needs in shapes.items():
        given = steps(count, needs)
        plan = timed(f"{count} steps, {shape}: planned", lambda: Plan.of(given))  # noqa: B023
        with tempfile.TemporaryDirectory(dir=folder) as home:
            journal = Journal(Path(home, "journal"), "bench")
            runner = Runner(plan, journal, CONTEXT)
            timed(f"{count} steps, {shape}: there", runner.advance)
            timed(f"{count} steps, {shape}: back", runner.retreat)
            journal.close()


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 30_000, given[1] if given[1:] else "/dev/shm")
