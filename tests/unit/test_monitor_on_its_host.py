"""What a host is told by its own monitor: one that hangs is none that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrate.onhost import monitor

PROGRAM = """#!/bin/sh
case $2 in *hung*) exec sleep 60 ;; *dead*) exit 1 ;; esac
echo '{said}'
"""
SAID = {
    "name": "b",
    "state": "leader",
    "quorum": [0],
    "monmap": {"mons": [{"rank": 0, "name": "b"}, {"rank": 1, "name": "hung"}]},
}


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "ceph"
    program.parent.mkdir()
    program.write_text(PROGRAM.replace("{said}", json.dumps(SAID)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(monitor, "SOCKETS", f"{tmp_path}/ceph-mon.*.asok")
    monkeypatch.setattr(monitor, "ASK_SECONDS", 0.5)
    return tmp_path


def test_one_that_hangs_or_died_is_passed_over(sockets: Path) -> None:
    assert monitor.standing() == {}
    for name in ("hung", "dead"):
        (sockets / f"ceph-mon.{name}.asok").touch()
    assert monitor.standing() == {}
    (sockets / "ceph-mon.b.asok").touch()
    said = monitor.standing()
    assert (said["id"], said["quorum"]) == ("b", ["b"])


def test_without_the_program_it_says_so(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sockets / "ceph-mon.b.asok").touch()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match="there is no `ceph` here beside a monitor"):
        monitor.standing()
