"""Nobody need answer at an address that has moved, also where this host has it silently."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from migrate.onhost import logins, mariadb, record, silent

VIP = "10.0.0.10"
NOBODY = "ERROR 2002 (HY000): Can't connect to server on '10.0.0.10' (115)"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        return subprocess.CompletedProcess([], 1, "", NOBODY)

    monkeypatch.setattr(record, "FOLDER", str(tmp_path))
    monkeypatch.setattr(logins, "client", refused)


@pytest.mark.parametrize(
    ("carried", "silently", "wrong"), [(False, False, 0), (True, False, 1), (True, True, 0)]
)
def test_who_cannot_log_in_there(
    monkeypatch: pytest.MonkeyPatch, carried: bool, silently: bool, wrong: int
) -> None:
    monkeypatch.setattr(mariadb, "run", lambda *_: "1: lo" if carried else "")
    if silently:
        record.save(silent.RECORD, {"ways": [{"address": VIP}]})
    asked = [["keystone", {"user": "keystone", "host": VIP}]]
    assert len(mariadb.writers(asked, [VIP])) == wrong
