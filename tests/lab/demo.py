"""The main job in the lab: the README's commands under load, then what it cost and what was proven.

python -m tests.lab.demo            over, then back
python -m tests.lab.demo over|back  one half
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from migrate.cloud import login, settings, wait
from migrate.phases.session import context_of
from migrate.verify.comparison import compare
from migrate.verify.listing import Listing, take
from tests.lab import cloud, load, outages, stack, traces
from tests.lab.settings import Lab, lab
from tests.readme import commands

STACK = stack.STACK
TIDY_SECONDS = 120


def main(argv: list[str]) -> int:
    """Do the halves that *argv* names, both when it names none."""
    halves = argv or ["over", "back"]
    this = lab()
    if "over" in halves:
        over(this)
    return back(this) if "back" in halves else 0


def over(this: Lab) -> None:
    """Lab up, every command of the README's first half, and from `follow` on a load on it.

    What comes before touches the target alone; the load would only take half of its core.
    """
    stand_up(this)
    for line in commands("over"):
        if line.startswith("migrate follow"):
            load.start(this)
        run(line)
    time.sleep(5)  # let the load see the target for a while
    summary(this)


def stand_up(this: Lab) -> None:
    """The source cloud with its content, and what it is like written down."""
    cloud.stand_up(this)
    Papers(this).keep_before()


def remove_cut_off(this: Lab) -> None:
    """Nothing of a pass that was killed: its source would be taken for one that nobody touched."""
    if settings.home(STACK).exists():
        cloud.down(this)
        stack.forget()


def back(this: Lab, tidy: Callable[[], object] = lambda: None) -> int:
    """The README's way back, then proof that the source is what it was; not 0 when it is not."""
    problems = go_back(this, tidy)
    for problem in problems:
        print(f"  LEFT OR LOST  {problem}")
    print(f"  the source is {'not ' if problems else ''}as it was before sidestep came")
    return 1 if problems else 0


def go_back(this: Lab, tidy: Callable[[], object]) -> list[str]:
    """The README's way back; what of the source is not what it was.

    *tidy* removes before it is compared what others than the load have made on the source.
    """
    load.start(this)
    began = time.time()
    for line in commands("back"):
        run(line)
    time.sleep(10)  # let the load see the source for a while
    load.stop(this)
    tidy()
    problems = Papers(this).compare_after()
    headline("back")
    tell_load(this, began)
    return problems


def run(line: str) -> None:
    """Run one line of the README in a shell; a failure ends the demo with its exit code."""
    print(f"\n\033[1m$ {line}\033[0m", flush=True)
    start = time.monotonic()
    ended = subprocess.run(["bash", "-c", line], check=False)
    print(f"\033[2m  {time.monotonic() - start:.1f} s\033[0m", flush=True)
    if ended.returncode:
        sys.exit(ended.returncode)


class Papers:
    """What stood in the source before `migrate` touched it, kept beside the lab."""

    def __init__(self, this: Lab) -> None:
        self.context = context_of(STACK)
        self.traces = this.home / "traces-before.json"
        self.listing = this.home / "listing-before.json"

    def keep_before(self) -> None:
        if not self.traces.exists():
            self.traces.write_text(json.dumps(traces.look(list(self.context.source.hosts))))
            self.listing.write_text(take(login.api(self.context)).text())

    def compare_after(self) -> list[str]:
        before = json.loads(self.traces.read_text())
        hosts = list(self.context.source.hosts)
        # agents tidy up in their own time: a name space outlives its network for some seconds
        found = wait.while_any(
            lambda: traces.differences(before, traces.look(hosts)), TIDY_SECONDS, pause=2
        )
        old = Listing.parse(self.listing.read_text())
        new = take(login.api(self.context), microversions=old.microversions)
        return found + [str(d) for d in compare(old, new, same_release=True).differences]


def summary(this: Lab) -> None:
    """The window with its parts, what was compared, and what users noticed."""
    home = Path(os.environ.get("MIGRATE_HOME", ".migrate")) / STACK
    report: dict[str, Any] = json.loads((home / "report.json").read_text())
    headline("over")
    window = report["window"]
    print(f"  window          {window['seconds']:6.1f} s")
    for step, seconds in window["parts"].items():
        print(f"    {step:24} {seconds:6.2f} s")
    verification = report["proofs"].get("verification", {})
    print(f"  working window  {verification.get('working_seconds') or float('nan'):6.1f} s")
    for line in verification.get("lines", []):
        print(f"  {line}")
    tell_load(this, datetime.fromisoformat(window["start"]).timestamp() - 10)


def tell_load(this: Lab, since: float) -> None:
    """What the load noticed from *since*: calls and failures by kind, pings lost."""
    for line in outages.table(this, since):
        print(f"  {line}")


def headline(text: str) -> None:
    print(f"\n\033[1m{'─' * 20} {text} {'─' * 20}\033[0m")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
