"""Events that many threads wish to record at once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from migrate.cloud import side_by_side
from migrate.engine.journal import Journal, State
from migrate.errors import JournalError


def test_what_is_recorded_side_by_side_is_kept_before_each_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "test")
    missing = []

    def record(number: int) -> None:
        journal.record("settle", f"s{number}", State.DONE)
        with sqlite3.connect(tmp_path / "journal") as link:
            asked = "SELECT count(*) FROM event WHERE step = ?"
            if link.execute(asked, (f"s{number}",)).fetchone() != (1,):
                missing.append(number)

    side_by_side.each(record, range(50), 50)
    assert missing == []
    assert len(journal.events()) == 50
    journal.close()


def test_what_could_not_be_recorded_is_told_to_each_who_wished_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "test")
    with sqlite3.connect(tmp_path / "journal") as link:
        link.execute(
            "CREATE TRIGGER full BEFORE INSERT ON event WHEN new.step LIKE 'bad%' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )

    def kept(step: str) -> bool:
        try:
            journal.record("settle", step, State.DONE)
        except JournalError:
            return False
        return True

    steps = [f"{kind}{n}" for n in range(20) for kind in ("good", "bad")]
    told = side_by_side.each(kept, steps, len(steps))
    assert told == [step.startswith("good") for step in steps]
    assert sorted(one.step for one in journal.events()) == sorted(steps[::2])
    journal.close()
