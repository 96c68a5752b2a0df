"""The whole set by one command: the lab, then two rigs side by side, and one table at the end.

    python -m tests.faults     after `make environment tools`, or simply `make faults`

The lab comes first: a fault in the whole cloud is told after minutes, not hours. A third of a rig's
time is waiting for machines, so two rigs on two cores end much sooner than one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.faults.tally import TABLE, Tally, table

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Part:
    """Tests that have a rig of their own; `rig` is what SIDESTEP_RIG says."""

    rig: str
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.files[0].removeprefix("test_").removesuffix(".py")


IN_THE_LAB = Part("", ("test_lab.py",))  # needs both cores for itself
SIDE_BY_SIDE = (  # about the same time each
    Part("", ("test_resume.py", "test_back.py")),
    Part(
        "2",
        (
            "test_window.py",
            "test_pulumi.py",
            "test_follow.py",
            "test_machines.py",
            "test_operator.py",
        ),
    ),
)


def main() -> int:
    """Run all parts, show what each says as it says it; 0 when every test has passed."""
    parts = (IN_THE_LAB, *SIDE_BY_SIDE)
    left_out = {path.name for path in HERE.glob("test_*.py")}.difference(
        *(part.files for part in parts)
    )
    assert not left_out, f"in no part: {left_out}"
    statuses = [run(IN_THE_LAB)]
    with ThreadPoolExecutor() as pool:
        statuses += pool.map(run, SIDE_BY_SIDE)
    whole = Tally()
    for part in parts:
        whole.add(Tally.read(table(part.name)))
    whole.write(table())
    print("", *whole.lines(), f"written to {table()}", sep="\n")
    return max(statuses)


def run(part: Part) -> int:
    """pytest over *part*; its lines are shown with its name before them. Its exit status."""
    table(part.name).unlink(missing_ok=True)
    environment = {**os.environ, "SIDESTEP_RIG": part.rig, TABLE: part.name}
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-vv", *(str(HERE / name) for name in part.files)],
        env={**environment, "SIDESTEP_FAULTS": "whole", "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout
    for line in child.stdout:
        print(f"{part.name:7} {line}", end="", flush=True)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
