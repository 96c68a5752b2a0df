"""The ways in which a replica is seeded, in the same run.

    python -m tests.bench.seeds [--rounds ROUNDS] [megabytes ...]

The rig (tests/lab/rig.py) with so many megabytes more in its services' databases, 100 by default,
and somebody who writes to them all the time. In turn, so many rounds: what an operator would type,
one dump piped from host to host; the plan's own step by several streams; and the same step by
mariadb-backup, which the source's host is given for it. After each seed both sides are proven
equal, which is counted to nobody.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from migrate.cloud import Context, transfer
from migrate.database import ownership
from migrate.database.replication import proving, replica
from tests import backup_tool
from tests.bench import rows
from tests.bench.databases import piped, timed
from tests.lab.rig import using


def measured(context: Context, megabytes: int, rounds: int) -> str:
    """What came of one size, for people."""
    count, found, size = rows.fill(context, megabytes)
    transfer.allow(context)
    took: dict[str, list[float]] = {"one dump": [], "several streams": [], "mariadb-backup": []}
    for _ in range(rounds):
        argv = piped(context)
        took["one dump"].append(timed(lambda: subprocess.run(argv, check=True)))  # noqa: B023
        empty = "".join(f"DROP DATABASE {name}; " for name in rows.names(context))
        context.target.database.run("mariadb", stdin=empty, timeout=600)
        for way in ("several streams", "mariadb-backup"):
            (backup_tool.give if way == "mariadb-backup" else backup_tool.take_away)(context)
            took[way].append(timed(lambda: replica.seed(context)))
            replica.begin(context)
            proving.prove(context)
            replica.end(context)
            ownership.discard(context)
    ways = ", ".join(
        f"{way} {statistics.median(one):.1f} s ({' '.join(f'{each:.1f}' for each in one)})"
        for way, one in took.items()
    )
    return (
        f"{size / 1e6:.0f} MB, {found} rows, {count} tables; {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}: {ways}"
    )


def main(sizes: list[int], rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as home, using(Path(home)) as made:
        for n, megabytes in enumerate(sizes):
            if n:
                made.reset()
            print(measured(made.context, megabytes, rounds), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.seeds")
    parser.add_argument("megabytes", nargs="*", type=int, default=[100])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    main(given.megabytes, given.rounds)
