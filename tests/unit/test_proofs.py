"""The record of proofs: rows are replaced by name, and a set that is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import proofs, sets
from tests.proofs import Proof


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIDESTEP_CACHE", str(tmp_path))
    monkeypatch.setattr(proofs, "RECORD", tmp_path / "proofs.md")
    return tmp_path / "proofs.md"


def proof(name: str, result: str) -> Proof:
    return Proof(name, "a | b", "1a2b3c4", "2026-11-27 01:00", "7", result)


def test_a_run_replaces_its_own_row(record: Path) -> None:
    proofs.write([proof("reopen", "3 passed"), proof("engine", "FAILED: 1 failed")])
    proofs.write([proof("engine", "11 passed; boundary 3/3")])
    known = proofs.read()
    assert list(known) == ["engine", "reopen"]
    assert known["engine"].result == "11 passed; boundary 3/3"
    assert known["reopen"].proves == "a / b"
    assert len(record.read_text().splitlines()) == 10


def test_sets_are_chosen_by_how_they_begin() -> None:
    assert sets.chosen([""]) == list(sets.SETS)
    assert sets.chosen(["engine", "existing"]) == ["existing", "engine"]
    assert sets.chosen(["rehearse"]) == ["rehearse"]  # rehearse-lab is another
    assert all(name.startswith("faults-") for name in sets.chosen(["faults"]))
    with pytest.raises(SystemExit, match="no set begins with 'fault5'"):
        sets.chosen(["fault5"])
