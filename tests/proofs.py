"""The record of what was proven when: a table in docs/proofs.md, written by the runs themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from infra.nspawn import layers

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "docs/proofs.md"
HEAD = """# Proofs

When each set of tests ran last, on which commit and with what result. `make test-all` writes it, a
row when a set ends; `make test-all SET=<name>` runs one. A commit with `+` had changes beside it. A
set of `tests/sets.py` without a row has not been run since this record began (2026-11-27).

| set | what it proves | commit | when (UTC) | minutes | result |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """One row: the last run of one set."""

    name: str
    proves: str
    commit: str
    when: str
    minutes: str
    result: str

    def row(self) -> str:
        """As it stands in the table."""
        return f"| {' | '.join(one.replace('|', '/') for one in astuple(self))} |"


def commit() -> str:
    """The commit that is tested, such as "1a2b3c4", with a plus when files differ from it."""
    git = ("git", "-C", str(ROOT))
    short = subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True).strip()
    changed = subprocess.check_output(
        [*git, "status", "--porcelain", "--", ".", ":!docs/proofs.md"], text=True
    )
    return short + ("+" if changed.strip() else "")


def read() -> dict[str, Proof]:
    """The record by name; what is not a row of six cells is left out."""
    lines = RECORD.read_text().splitlines() if RECORD.exists() else []
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    found = [Proof(*row) for row in rows if len(row) == len(Proof.__slots__)]
    return {one.name: one for one in found if one.name != "set"}


def write(proofs: Iterable[Proof]) -> None:
    """Put *proofs* in the place of those of the same name; others stay. Safe side by side."""
    with layers.locked(layers.cache() / "proofs.lock"):
        known = read() | {one.name: one for one in proofs}
        RECORD.write_text(HEAD + "".join(f"{known[name].row()}\n" for name in sorted(known)))
