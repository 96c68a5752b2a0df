"""What people see: plans and findings as tables, progress as lines; and documents for programs."""

import re
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from migrate.cli.formats import FORMATS
from migrate.cli.terminal import TERMINAL
from migrate.engine.finding import Finding, Severity
from migrate.engine.journal import State
from migrate.engine.plan import Plan, Step, longest_path
from migrate.errors import some
from migrate.phases.timings import Timing
from migrate.verify.losses import Losses

WIDTH = 140
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
NAMES = 8  # of one kind that are shown; the file has them all
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


class _Console(Console):
    """rich would lead stdout away when stderr breaks: `Terminal` does what is to be done."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Screen:
    """Writes for people to the terminal; with another *form* than "table" one answer to stdout.

    What is for people goes to stderr then.
    """

    def __init__(self, form: str = "table") -> None:
        self._format = FORMATS.get(form)
        self._out = 2 if self._format else 1
        width = None if sys.stdout.isatty() else WIDTH  # a log must not be folded at 80
        self.console = _Console(stderr=self._out == 2, highlight=False, soft_wrap=True, width=width)

    def answer(self, document: Any) -> None:
        """The answer for programs, in the format that was asked for."""
        if self._format:
            text = self._format(document)
            TERMINAL.show(1, lambda: sys.stdout.write(text))

    def say(self, text: str) -> None:
        """One line for people; markup is rich's, so escape what comes from a machine."""
        text = _harmless(text)
        TERMINAL.log(Text.from_markup(text).plain)
        self._show(text)

    def remark(self, text: str) -> None:
        """The same for a line that holds no markup."""
        self.say(escape(text))

    def _show(self, what: RenderableType) -> None:
        TERMINAL.show(self._out, lambda: self.console.print(what))

    def plan(self, plan: Plan, title: str) -> None:
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in ("phase", "step", "what it does", "impact", "way back"):
            table.add_column(column)
        table.add_column("about", justify="right")
        for step in plan:
            back = "yes" if step.way_back else "[red]none[/]"
            about = f"{step.estimate:.0f} s" if step.estimate >= 1 else "<1 s"
            table.add_row(step.phase, step.id, escape(step.title), step.impact, back, about)
        self._show(table)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """*rows* of plain text; a column whose name ends in a space stands to the right."""
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in columns:
            table.add_column(column.rstrip(), justify="right" if column[-1:] == " " else "left")
        for row in rows:
            table.add_row(*(escape(_harmless(one).replace("\n", "\\n")) for one in row))
        self._show(table)

    def timings(self, title: str, timings: Iterable[Timing]) -> None:
        """What was predicted of each step beside what it took."""
        rows = [(one.step, f"{one.predicted:.1f} s", f"{one.measured:.1f} s") for one in timings]
        self.table(title, ("step", "predicted ", "measured "), rows)

    def would(self, steps: Plan) -> None:
        """What the command would do with --execute, which it was not given."""
        self.plan(steps, "would do, in this order")
        self.say("Nothing was changed; add --execute.")
        self.answer(plan_document(steps))

    def would_undo(self, steps: Sequence[Step], *, lost: bool) -> None:
        """What the way back would do; *lost* is a journal that names no step."""
        self.plan(Plan(tuple(steps)), "would undo, in this order")
        why = "; the journal names no step, so every one is tried" if lost else ""
        self.say(f"would undo {len(steps)} steps, last first{why}; add --execute")

    def losses(self, losses: Losses) -> None:
        """What going back would lose, a line for each project, type and change."""
        if not losses:
            self.say("Going back would lose nothing.")
            return
        rows = []
        for project, type_, change, names in losses.rows():
            rows.append((project, type_, f"{len(names)} {change}", some(names, NAMES)))
        if rows:
            self.table("going back would lose", ("project", "type", "", "names"), rows)
        for one in losses.document["data"]:
            what = f"{one['type']} {one['name']} ({one['id']}) of {one['project']}: {one['what']}"
            self.say(f"[red]DATA LOST[/] {escape(what)}")
        if losses.servers:
            columns = ("host", "server", "name", "why")
            keys = ("host", "id", "name", "what")
            servers = [[one[key] for key in keys] for one in losses.servers]
            self.table("servers that going back stops", columns, servers)
        for text in losses.unknown:
            self.say(f"[red]unknown[/] {escape(text)}")
        for text in losses.document["remarks"]:
            self.say(f"[dim]{escape(text)}[/]")

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


def _harmless(text: str) -> str:
    """*text* without what moves a terminal's cursor: users choose the names of what is shown."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class Progress:
    """The runner's observer: one line when a step ends, with its time and what is left."""

    def __init__(self, screen: Screen, plan: Plan) -> None:
        self._screen = screen
        self._plan = plan
        self._ended: set[str] = set()
        self._began: dict[str, float] = {}
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, step: Step, state: State, note: str) -> None:
        with self._lock:
            now = time.monotonic()
            if state in (State.STARTED, State.REVERTING):
                self._began[step.id] = now
                return
            self._ended.add(step.id)
            took = now - self._began.get(step.id, now)
            mark = {State.DONE: "[green]✓[/]", State.REVERTED: "[yellow]↶[/]"}.get(
                state, "[red]✗[/]"
            )
            remark = f" — {escape(note.splitlines()[0][:300])}" if note else ""
            left = longest_path(self._plan, lambda step: self._left(step, now))
            about = f" [dim]about {left:.0f} s left[/]" if left >= 5 and state is State.DONE else ""
            self._screen.say(
                f"{now - self._start:7.1f}s {mark} {step.id} [dim]{took:.1f}s[/]{remark}{about}"
            )

    def _left(self, step: Step, now: float) -> float:
        if step.id in self._ended:
            return 0.0
        return max(0.0, step.estimate - (now - self._began.get(step.id, now)))


def finding_document(finding: Finding) -> dict[str, str]:
    """`{"check": "charset", "severity": "error", "where": ..., "message": ..., "remedy": ...}`."""
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "where": finding.where,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def plan_document(plan: Plan) -> list[dict[str, Any]]:
    """`[{"id": "vip.takeover", "phase": "cutover", "impact": ..., "estimate": 1.0, ...}]`."""
    return [
        {
            "id": step.id,
            "title": step.title,
            "phase": step.phase,
            "impact": step.impact,
            "estimate_seconds": step.estimate,
            "way_back": step.way_back,
            "needs": list(step.needs),
        }
        for step in plan
    ]
