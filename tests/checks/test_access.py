"""Hosts that cannot be reached, are not who they were, or do not let us become root."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from migrate import checks
from migrate.checks import access, clock
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.finding import Severity
from tests.checked import check_of
from tests.checks.conftest import assert_finds, broken, changed, errors

pytestmark = pytest.mark.rig
NOBODY = "no-sudo"


def test_whole(context: Context) -> None:
    assert not check_of(access).run(context)
    assert not check_of(clock).run(context)


def test_a_host_that_does_not_answer(context: Context) -> None:
    def away(values: dict[str, Any]) -> None:
        values["target"]["controllers"][0]["address"] = "192.0.2.254"  # nobody, by definition

    name = context.target.controllers[0].name
    assert_finds(check_of(access), changed(context, away), ("cannot be reached",), where=name)


def test_an_unknown_host_key(context: Context, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")

    def unknown(values: dict[str, Any]) -> None:
        values["ssh"]["known_hosts"] = empty

    found = errors(check_of(access), changed(context, unknown))
    assert len(found) == len({host.name for host in (*context.source.hosts, *context.target.hosts)})
    assert all("is unknown" in one.message for one in found)


def test_a_changed_host_key(context: Context, target: Host, tmp_path: Path) -> None:
    known = context.settings.ssh.known_hosts
    assert known is not None
    lines = known.read_text().splitlines()
    other = next(line for line in lines if not line.startswith(target.address))
    kept = [line for line in lines if not line.startswith(target.address)]
    forged = tmp_path / "known_hosts"
    forged.write_text("\n".join([*kept, f"{target.address} {other.partition(' ')[2]}"]) + "\n")

    def changes(values: dict[str, Any]) -> None:
        values["ssh"]["known_hosts"] = forged

    found = assert_finds(check_of(access), changed(context, changes), ("has changed",))
    assert "Never ignore" in found.remedy


def test_a_user_without_sudo(context: Context, source: Host, target: Host) -> None:
    keys = target.shell("cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys || true")
    make = f"""
        id {NOBODY} 2>/dev/null || useradd -m {NOBODY}
        install -d -m 700 -o {NOBODY} /home/{NOBODY}/.ssh
        printf '%s' {keys!r} > /home/{NOBODY}/.ssh/authorized_keys
        chown {NOBODY} /home/{NOBODY}/.ssh/authorized_keys
    """

    def as_nobody(values: dict[str, Any]) -> None:
        values["ssh"]["user"] = NOBODY

    unmake = f"userdel -rf {NOBODY} 2>/dev/null || true"
    with broken(source, make, unmake), broken(target, make, unmake):
        found = errors(check_of(access), changed(context, as_nobody))
    assert {one.where for one in found} == {source.name, target.name}
    assert all("sudo" in one.message for one in found)
    assert all("NOPASSWD" in one.remedy for one in found)


def test_one_host_away_is_told_once(context: Context) -> None:
    """The other checks do not repeat it: they are named as not asked."""

    def away(values: dict[str, Any]) -> None:
        values["target"]["controllers"][0]["address"] = "192.0.2.254"

    found = checks.run(changed(context, away))
    assert len([one for one in found if "cannot be reached: " in one.message]) == 1
    unasked = [one for one in found if "not asked" in one.message]
    assert len(unasked) == 1
    assert unasked[0].severity is Severity.INFO
    assert "space" in unasked[0].message


def test_a_clock_that_is_off(context: Context, target: Host) -> None:
    """`date` of the host answers as its clock 90 s ahead would: containers share the real one."""
    shim = "/usr/local/bin/date"
    fake = f'printf \'#!/bin/sh\\nexec /usr/bin/date -d "90 seconds" "$@"\\n\' > {shim}'
    with broken(target, f"{fake}; chmod 755 {shim}", f"rm -f {shim}"):
        found = errors(check_of(clock), context)
    told = [re.search(r"([\d.]+) s ", one.message) for one in found]
    # as far off as it takes to ask, too: seconds on a busy machine
    assert any(one and 80 < float(one[1]) < 120 for one in told), found
