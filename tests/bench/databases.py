"""Our part of the window beside dump, copy and import, in one run, and how both grow with the data.

    python -m tests.bench.databases [--rounds ROUNDS] [--json] [megabytes ...]

The rig (tests/lab/rig.py), as new for each size: its services' databases hold so many megabytes
more, 100 and 1000 by default, and somebody writes to them all the time. Measured are the plan's own
steps, in the window from a source that is read-only to a copy that is proven equal, with the
source's binary log on, where the target follows, and then off, where it is copied; between the two
it is what an operator would type. Each end is looked at by CHECKSUM TABLE, which is counted to
nobody. With the log on, the window of the largest size may be longer than that of the smallest by a
fifth, else this ends with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.nspawn import ssh_command
from migrate.cloud import Context
from migrate.database import connection, fingerprint
from migrate.database.replication import log, proven, proving
from migrate.engine.journal import Journal, State
from migrate.engine.plan import Impact, Phase, Step
from migrate.engine.runner import Runner
from migrate.phases.plan import compose
from tests.bench import rows
from tests.lab.rig import rig, using

LAST = "database.compare"  # what is proven then is the copy
LOG, NO_LOG = "binary log", "no binary log"
LOG_OFF = "/etc/mysql/mariadb.conf.d/zz-bench.cnf"
GROWTH = 1.2
WRITTEN = 5.0  # seconds between two windows, in which something changes
ASKED, PAUSE = 25, 0.2  # how often is asked how far the target is behind, and the time between
Figures = dict[str, Any]


class Way:
    """The steps by which the databases come, as a run carries them out, and what each takes."""

    def __init__(self, context: Context, papers: Path) -> None:
        plan = compose(context)
        every = {one.id: one for one in plan}
        upon = needed(every, LAST)
        ours = [one for one in plan if one.id.startswith("database.")]
        self.took: dict[str, float] = {}
        self.predicted = {one.id: one.estimate for one in ours}
        self.before = [every["transfer.key"]]
        self.before += [one for one in ours if one.phase is Phase.FOLLOW]
        self.before.remove(every["database.tools"])
        self.fence = [every["fence.control"], every["fence.read-only"]]
        closed = [one for one in ours if one.impact is Impact.API_CLOSED]
        self.window = [one for one in closed if one.id in upon]
        self._began: dict[str, float] = {}
        self._runner = Runner(plan, Journal(papers), context, self._notify)

    def go(self, steps: list[Step]) -> float:
        """Seconds of *steps*, side by side where they may be; what is done is not done again."""
        self.took.clear()
        return timed(lambda: self._runner.apply(steps))

    def back(self, steps: list[Step]) -> None:
        self._runner.retreat(steps)

    def _notify(self, step: Step, state: State, note: str) -> None:
        now = time.monotonic()
        if state is State.STARTED:
            self._began[step.id] = now
        elif state is State.DONE and not note:
            self.took[step.id] = now - self._began[step.id]


def needed(every: dict[str, Step], name: str) -> set[str]:
    """*name*, and all that it comes after."""
    return {name}.union(*(needed(every, one) for one in every[name].needs))


def timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def ours(context: Context, papers: Path, rounds: int) -> Figures:
    """Seconds before the window and in it, each step's too, and how far behind the target was."""
    way = Way(context, papers)
    way.go(way.before)
    before, lag = dict(way.took), rows.behind(context, ASKED, PAUSE)
    window, steps, proofs = [], [], []
    for _ in range(rounds):
        way.go(way.before)  # after a window the source is followed anew
        time.sleep(WRITTEN)
        proofs += proof(context)
        time.sleep(WRITTEN)
        way.go(way.fence)
        window.append(way.go(way.window))
        steps.append(dict(way.took))
        rows.refuse_different(context)
        way.back(way.window)
        way.back(way.fence)
    way.back(way.before)
    each = {name: statistics.median(one.get(name, 0.0) for one in steps) for name in steps[0]}
    return {
        "before": before,
        "proofs": proofs,
        "behind": lag,
        "window": statistics.median(window),
        "windows": window,
        "steps": each,
        "predicted": {name: way.predicted.get(name) for name in (*before, *each)},
    }


def proof(context: Context) -> list[Figures]:
    """The proof that comes just before a window, upon an earlier one; [] where none follows."""
    if not (earlier := proven.proof(context)):
        return []
    seconds = timed(lambda: proving.prove(context))
    now = proven.proof(context)
    assert now
    tables = earlier.fingerprint["tables"]
    source = context.source.database
    since = log.since(source, tables, earlier.places[source.name], now.places[source.name])
    assert since
    figures = {"seconds": seconds, **fingerprint.summary(now.fingerprint)}
    whole = sorted(set(tables) - set(since.carried))
    return [figures | {"keys": sum(map(len, since.keys.values())), "whole": whole}]


def piped(context: Context) -> list[str]:
    """A dump from host to host, which is faster than a file that is copied between."""
    source, target = context.source.database, context.target.database
    words = " ".join(shlex.quote(name) for name in rows.names(context))
    dump = f"mariadb-dump --single-transaction --routines --events --databases {words}"
    sides = [shlex.join(ssh_command(rig().home, host.address)) for host in (source, target)]
    pipe = f"{sides[0]} {shlex.quote(dump)} | {sides[1]} mariadb"
    return ["bash", "-o", "pipefail", "-c", pipe]


def by_hand(context: Context, rounds: int) -> Figures:
    """Seconds of such a pipe while nobody writes."""
    source, target = context.source.database, context.target.database
    names = [connection.quoted(name) for name in rows.names(context)]
    drop = "".join(f"DROP DATABASE IF EXISTS {name}; " for name in names)
    took = []
    for _ in range(rounds):
        target.run("mariadb", stdin=drop, timeout=600)
        source.run("mariadb", stdin="SET GLOBAL read_only = 1")
        argv = piped(context)
        took.append(timed(lambda: subprocess.run(argv, check=True)))  # noqa: B023
        rows.refuse_different(context)
        source.run("mariadb", stdin="SET GLOBAL read_only = 0")
    target.run("mariadb", stdin=drop, timeout=600)
    return {"window": statistics.median(took), "windows": took}


def without_log(context: Context) -> None:
    """The source's server keeps no binary log any more, as Debian's does by default."""
    source = context.source.database
    source.write(LOG_OFF, "[mysqld]\nskip_log_bin\n", mode=0o644)
    source.run("systemctl", "restart", "mariadb", timeout=180)


def measured(context: Context, papers: Path, megabytes: int, rounds: int) -> Figures:
    """Each way in turn, on the same data."""
    count, found, size = rows.fill(context, megabytes)
    figures: Figures = {"asked": megabytes, "megabytes": size / 1e6, "tables": count, "rows": found}
    figures["load"] = os.getloadavg()
    figures[LOG] = ours(context, papers / "log", rounds)
    figures["by hand"] = by_hand(context, rounds)
    without_log(context)
    figures[NO_LOG] = ours(context, papers / "no-log", rounds)
    figures["load after"] = os.getloadavg()
    return figures


def told(one: Figures) -> str:
    """What was found of one size."""
    hand = one["by hand"]["window"]
    lines = [
        f"{one['megabytes']:.0f} MB, {one['rows']} rows, {one['tables']} tables; {os.cpu_count()} "
        f"cores, load {one['load'][0]:.1f} before and {one['load after'][0]:.1f} after",
        f"  by hand: dump, copy, import {hand:.2f} s",
    ]
    for name in (LOG, NO_LOG):
        found, follows = one[name], "the target stood still"
        if lag := found["behind"]:
            follows = f"followed, {statistics.median(lag):.2f} s behind, at most {max(lag):.2f} s"
        lines += [
            f"  {name}: in the window {found['window']:.2f} s, by hand {hand / found['window']:.1f}"
            f" times that; {follows}",
            f"    before it: {steps(found, 'before')}",
            *(f"    {proof_told(one)}" for one in found["proofs"][-1:]),
            f"    in it: {steps(found, 'steps')}",
        ]
    return "\n".join(lines)


def proof_told(one: Figures) -> str:
    return (
        f"proof upon an earlier one: {one['tables']} tables, {one['rows']} rows in "
        f"{one['seconds']:.2f} s; {one['keys']} rows by key and {', '.join(one['whole'])} were read"
    )


def steps(found: Figures, which: str) -> str:
    """Each step with its seconds, and those that the plan says."""
    said = found["predicted"]
    return ", ".join(
        f"{name} {took:.2f} s" + (f" ({said[name]:g})" if said[name] else "")
        for name, took in found[which].items()
    )


def main(sizes: list[int], rounds: int, *, as_json: bool) -> None:
    found = []
    with tempfile.TemporaryDirectory(prefix="bench-") as home, using(Path(home)) as made:
        for n, megabytes in enumerate(sizes):
            if n:
                made.reset()
            papers = Path(home, str(megabytes))
            papers.mkdir()
            found.append(measured(made.context, papers, megabytes, rounds))
            if not as_json:
                print(f"{told(found[-1])}, median of {rounds}", flush=True)
    least, most = found[0], found[-1]
    grown = {
        name: most[name]["window"] / least[name]["window"] for name in (LOG, NO_LOG, "by hand")
    }
    if as_json:
        print(json.dumps({"rounds": rounds, "sizes": found, "grown": grown}, indent=2))
    elif found[1:]:
        data = most["megabytes"] / least["megabytes"]
        ways = ", ".join(f"{name} {times:.2f} times" for name, times in grown.items())
        print(f"the data grew {data:.1f} times, the window's part: {ways}")
    if grown[LOG] > GROWTH:
        sys.exit(f"with a {LOG} the window grew more than {GROWTH - 1:.0%}")


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("megabytes", nargs="*", type=int, default=[100, 1000])
    given.add_argument("--rounds", type=int, default=3)
    given.add_argument("--json", action="store_true", dest="as_json")
    asked = given.parse_args()
    main(asked.megabytes, asked.rounds, as_json=asked.as_json)
