"""What people see: plans and findings as tables, progress as lines, and the same as JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from migrate.checks.finding import Finding, Severity
from migrate.journal import State
from migrate.plan import Plan, Step

WIDTH = 140
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


class Screen:
    """Writes for people to the terminal, or one JSON document to stdout with *as_json*."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        width = None if sys.stdout.isatty() else WIDTH  # a log must not be folded at 80
        self.console = Console(stderr=as_json, highlight=False, soft_wrap=True, width=width)

    def answer(self, document: Any) -> None:
        """The machine-readable answer; printed only with --json."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")

    def say(self, text: str) -> None:
        """One line for people; markup is rich's, so escape what comes from a machine."""
        self.console.print(text)

    def plan(self, plan: Plan, title: str) -> None:
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in ("phase", "step", "what it does", "impact", "way back"):
            table.add_column(column)
        table.add_column("about", justify="right")
        for step in plan:
            back = "yes" if step.revert else "[red]none[/]"
            about = f"{step.estimate:.0f} s" if step.estimate >= 1 else "<1 s"
            table.add_row(step.phase, step.id, escape(step.title), step.impact, back, about)
        self.console.print(table)

    def findings(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            colour = COLOURS[finding.severity]
            where = f" ({finding.where})" if finding.where else ""
            self.say(
                f"[{colour}]{finding.severity.upper():7}[/] {escape(finding.check)}: "
                f"{escape(finding.message)}{escape(where)}"
            )
            if finding.remedy:
                self.say(f"        → {escape(finding.remedy)}")


class Progress:
    """The runner's observer: one line when a step ends, with its time and what is left."""

    def __init__(self, screen: Screen, plan: Plan) -> None:
        self._screen = screen
        self._left = {step.id: step.estimate for step in plan}
        self._began: dict[str, float] = {}
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, step: Step, state: State, note: str) -> None:
        with self._lock:
            now = time.monotonic()
            if state in (State.STARTED, State.REVERTING):
                self._began[step.id] = now
                return
            self._left.pop(step.id, None)
            took = now - self._began.get(step.id, now)
            mark = {State.DONE: "[green]✓[/]", State.REVERTED: "[yellow]↶[/]"}.get(
                state, "[red]✗[/]"
            )
            remark = f" — {escape(note.splitlines()[0][:300])}" if note else ""
            left = sum(self._left.values())
            about = f" [dim]about {left:.0f} s left[/]" if left >= 5 and state is State.DONE else ""
            self._screen.say(
                f"{now - self._start:7.1f}s {mark} {step.id} [dim]{took:.1f}s[/]{remark}{about}"
            )


def plan_document(plan: Plan) -> list[dict[str, Any]]:
    """`[{"id": "vip.takeover", "phase": "cutover", "impact": ..., "estimate": 1.0, ...}]`."""
    return [
        {
            "id": step.id,
            "title": step.title,
            "phase": step.phase,
            "impact": step.impact,
            "estimate_seconds": step.estimate,
            "way_back": step.revert is not None,
            "needs": list(step.needs),
        }
        for step in plan
    ]


def longest_path(plan: Plan) -> float:
    """Seconds along the longest chain of needs: what the steps take when run side by side."""
    ends: dict[str, float] = {}
    for step in plan:
        before = max((ends[need] for need in step.needs if need in ends), default=0.0)
        ends[step.id] = before + step.estimate
    return max(ends.values(), default=0.0)
