"""What was tried and what survived, by kind; a table at the end and a file for the record."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.nspawn import layers
from tests.faults.bench import Bench, Crashes

TABLE = "SIDESTEP_FAULTS_TABLE"


def table(part: str = "") -> Path:
    """Where the table of *part* of the set is kept, or that of all."""
    return layers.cache() / f"faults{part and '-'}{part}.json"


@dataclass(slots=True)
class Tally:
    """`tried` before something is done to the program, `survived` when the end was right."""

    counts: dict[str, list[int]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def tried(self, kind: str, number: int = 1) -> None:
        self.counts.setdefault(kind, [0, 0])[0] += number

    def survived(self, kind: str, number: int = 1) -> None:
        self.counts.setdefault(kind, [0, 0])[1] += number

    @contextmanager
    def counted(self, kind: str) -> Iterator[None]:
        """One try of *kind*; survived when the block ends well."""
        self.tried(kind)
        yield
        self.survived(kind)

    @contextmanager
    def trial(self, bench: Bench, kind: str, begins: str, ends: str = "") -> Iterator[None]:
        """One try of *kind*, from the machines as *begins*; survived when the block ends well.

        Then they are known to stand as *ends*; where that is open the block says it, or nobody
        knows, and who needs them next makes them anew.
        """
        bench.bring(begins)
        bench.standing = ""
        with self.counted(kind):
            yield
            bench.standing = ends or bench.standing

    def crashes(self, kind: str, found: Crashes, wrong: list[str]) -> None:
        """A chain of crashes, of which each has survived unless it failed or the end is *wrong*."""
        lost = 1 if wrong and not found.failures else len(found.failures)
        self.tried(kind, len(found.deaths))
        self.survived(kind, max(len(found.deaths) - lost, 0))
        if found.kills:
            self.tried("random instant", len(found.kills))
            self.survived("random instant", len(found.kills))

    def remark(self, text: str) -> None:
        self.remarks.append(text)

    def lines(self) -> list[str]:
        """`boundary: 74/74 survived`, a line each."""
        width = max((len(kind) for kind in self.counts), default=0)
        told = [
            f"{kind:{width}}  {survived}/{tried} survived"
            for kind, (tried, survived) in self.counts.items()
        ]
        return [*told, *self.remarks]

    def add(self, other: Tally) -> None:
        """What *other* counted, too."""
        for kind, (tried, survived) in other.counts.items():
            self.tried(kind, tried)
            self.survived(kind, survived)
        self.remarks += other.remarks

    @classmethod
    def read(cls, path: Path) -> Tally:
        """What `write` wrote; nothing where nothing was."""
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"counts": self.counts, "remarks": self.remarks}, indent=1))


TALLY = Tally()  # one for the session: pytest's hooks have no fixtures


class Summary:
    """The table after pytest's own lines; a worker of several gives what it has counted away."""

    def __init__(self, config: pytest.Config) -> None:
        self._given_away: dict[str, Any] | None = getattr(config, "workeroutput", None)

    def pytest_sessionfinish(self) -> None:
        if self._given_away is not None:
            self._given_away["tally"] = asdict(TALLY)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        TALLY.add(Tally(**getattr(node, "workeroutput", {}).get("tally", {})))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not TALLY.counts:
            return
        terminalreporter.section("faults: what was tried, what survived")
        for line in TALLY.lines():
            terminalreporter.write_line(line)
        path = table(os.environ.get(TABLE, ""))
        TALLY.write(path)
        terminalreporter.write_line(f"written to {path}")
