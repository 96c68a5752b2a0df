"""What it costs to be told how a command is called, beside what any such program costs.

    python -m tests.bench.start_up [rounds]

CPU seconds of processes, their median, and how many times `python -c 'import click, yaml'` that is.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

PYTHON = [sys.executable]
LEAST = [*PYTHON, "-c", "import click, yaml"]
MIGRATE = [*PYTHON, "-m", "migrate.cli"]
COMPLETE = {"_MIGRATE_COMPLETE": "bash_complete", "COMP_WORDS": "migrate ", "COMP_CWORD": "1"}
ASKED: dict[str, tuple[list[str], dict[str, str]]] = {
    "import click, yaml": (LEAST, {}),
    "--help": ([*MIGRATE, "--help"], {}),
    "cutover --help": ([*MIGRATE, "cutover", "--help"], {}),
    "--version": ([*MIGRATE, "--version"], {}),
    "completion": (MIGRATE, COMPLETE),
    "no such option": ([*MIGRATE, "plan", "--no-such"], {}),
}


def seconds(argv: list[str], environment: dict[str, str]) -> float:
    """User and system time of one process."""
    before = os.times()
    subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, check=False)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def main(rounds: int) -> None:
    """Print a line for each; they take turns, so that a busy moment meets all alike."""
    took: dict[str, list[float]] = {name: [] for name in ASKED}
    for _ in range(rounds):
        for name, (argv, environment) in ASKED.items():
            took[name].append(seconds(argv, environment))
    middle = {name: statistics.median(found) for name, found in took.items()}
    least = middle["import click, yaml"]
    for name, one in middle.items():
        print(f"{name:20} {one:6.3f} s  {one / least:5.2f} times")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
