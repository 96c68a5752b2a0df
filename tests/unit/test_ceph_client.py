"""What a host's own `ceph` says: of its client, of the balancer, of a host's flag."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.onhost import ceph

PROGRAM = """#!/bin/sh
echo "$*" >> {folder}/log
case "$*" in
  --version) echo "ceph version 16.2.15 (618f4408) pacific (stable)" ;;
  *"balancer status") echo '{{"active": {active}, "mode": "upmap", "plans": []}}' ;;
  *"osd dump") echo '{{"crush_node_flags": {{"osd1": ["noout"], "osd2": ["noin"]}}}}' ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, active: str = "true") -> None:
    program = folder / "ceph"
    program.write_text(PROGRAM.format(folder=folder, active=active))
    program.chmod(0o755)


def test_a_host_without_clients_has_no_release_of_them(folder: Path) -> None:
    assert ceph.client() == 0
    install(folder)
    assert ceph.client() == 16


@pytest.mark.parametrize(("active", "mode"), [("true", "upmap"), ("false", "")])
def test_a_balancer_that_is_off_moves_nothing(folder: Path, active: str, mode: str) -> None:
    install(folder, active)
    assert ceph.balances() == mode


def test_a_flag_is_taken_away_where_it_is_set_whoever_has_set_it(folder: Path) -> None:
    install(folder)
    for name in ("osd1", "osd2", "osd3"):
        ceph.let_go(name)
    said = [one for one in (folder / "log").read_text().splitlines() if "unset" in one]
    assert [one.rpartition("osd ")[2] for one in said] == ["unset-group noout osd1"]
