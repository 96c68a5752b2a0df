"""A release's environment on a compute host: claimed before it is brought, tried, taken away."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrate.computes import environment as on_computes
from migrate.computes import proof
from migrate.computes.installers import in_place
from migrate.engine import state_directory
from migrate.engine.finding import Severity
from migrate.errors import PreconditionError
from migrate.onhost import environment, record
from tests.unit import fakes


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this host keeps what it must remember."""
    monkeypatch.setattr(record, "FOLDER", str(tmp_path / "notes"))
    return tmp_path / "notes"


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose packages have libvirt's binding."""
    folder = tmp_path / "dist-packages"
    folder.mkdir()
    for name in ("libvirt.py", "libvirt_qemu.py", "libvirtmod.cpython-313.so", "other.py"):
        (folder / name).touch()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def brought(folder: Path, *programs: str) -> None:
    """An environment whose programs only tell their version."""
    packages = folder / "lib/python3.13/site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin/python").write_text(f'#!/bin/sh\ncd {packages} && exec {sys.executable} "$@"\n')
    for name in programs:
        (folder / "bin" / name).write_text("print('33.0.2')\n")
    for path in (folder / "bin").iterdir():
        path.chmod(0o755)
    (folder / ".sidestep-lock").write_text("1a2b\n")


def test_it_is_claimed_tried_and_taken_away(tmp_path: Path, packaged: Path, notes: Path) -> None:
    folder = tmp_path / "opt/2026.1"
    assert environment.claim(str(folder), 1000) == []
    brought(folder, "nova-compute")
    assert environment.stamp(str(folder)) == ""
    assert environment.finish(str(folder), ["nova-compute"]) == []
    assert environment.stamp(str(folder)) == "1a2b"
    links = {one.name for one in (folder / "lib/python3.13/site-packages").iterdir()}
    assert links >= {"libvirt.py", "libvirt_qemu.py", "libvirtmod.cpython-313.so"}
    assert "other.py" not in links
    assert environment.finish(str(folder), ["nova-compute"]) == []
    environment.remove()
    assert not (tmp_path / "opt").exists()
    assert not notes.exists()
    environment.remove()


def test_what_its_programs_cached_goes_with_it(
    tmp_path: Path, packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = tmp_path / "opt/2026.1", tmp_path / "home/.cache/python-entrypoints"
    monkeypatch.setattr(environment, "CACHES", (f"{cache}/*",))
    cache.mkdir(parents=True)
    (cache / "ours").write_text(f'["{folder}/lib/python3.13/site-packages/x/entry_points.txt", 1]')
    (cache / "theirs").write_text('["/usr/lib/python3/dist-packages/x/entry_points.txt", 1]')
    assert environment.claim(str(folder), 1000) == []
    brought(folder)
    environment.remove()
    assert [one.name for one in cache.iterdir()] == ["theirs"]


def test_what_is_there_and_not_ours_is_left_alone(tmp_path: Path, packaged: Path) -> None:
    folder = tmp_path / "opt/2026.1"
    folder.mkdir(parents=True)
    assert environment.claim(str(folder), 1000) == [f"{folder} is there and not ours; move it away"]
    environment.remove()
    assert folder.is_dir()


def test_a_disk_that_has_no_room_is_told(tmp_path: Path, packaged: Path, notes: Path) -> None:
    (wrong,) = environment.claim(str(tmp_path / "opt/2026.1"), 2**60)
    assert " MiB free, it takes " in wrong
    assert not notes.exists()


def test_a_host_without_libvirt_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Path
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "libvirt", raising=False)
    (wrong,) = environment.claim(str(tmp_path / "opt/2026.1"), 1000)
    assert "install python3-libvirt" in wrong
    assert not notes.exists()


def test_a_host_that_runs_no_servers_needs_no_binding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_libvirt", lambda: None)
    folder = tmp_path / "opt/2026.1"
    assert environment.claim(str(folder), 1000, False) == []
    brought(folder, "neutron-l3-agent")
    packages = folder / "lib/python3.13/site-packages"
    (packages / "rbd.cpython-313.so").symlink_to(tmp_path / "none")
    assert environment.finish(str(folder), ["neutron-l3-agent"], False) == []
    assert environment.stamp(str(folder)) == "1a2b"
    assert not list(packages.glob("libvirt*"))


def test_a_program_that_does_not_start_is_told(tmp_path: Path, packaged: Path) -> None:
    folder = tmp_path / "opt/2026.1"
    environment.claim(str(folder), 1000)
    brought(folder, "nova-compute")
    (folder / "bin/nova-compute").write_text("import sys\nsys.exit('no module named nova')\n")
    (wrong,) = environment.finish(str(folder), ["nova-compute"])
    assert wrong.endswith("nova-compute --version exited 1: no module named nova")
    assert environment.stamp(str(folder)) == ""


def test_a_module_of_a_package_that_is_not_there_is_told(tmp_path: Path, packaged: Path) -> None:
    folder = tmp_path / "opt/2026.1"
    environment.claim(str(folder), 1000)
    brought(folder, "nova-compute")
    module = packaged / "rbd.cpython-313.so"
    (folder / "lib/python3.13/site-packages" / module.name).symlink_to(module)
    assert environment.finish(str(folder), ["nova-compute"]) == [
        f"{module} is not there: install its package"
    ]
    assert environment.stamp(str(folder)) == ""
    module.touch()
    assert environment.finish(str(folder), ["nova-compute"]) == []


class Compute(fakes.FakeHost):
    """A host whose system is *system*, and whose environment is of the lock *stamp*."""

    def __init__(self, name: str, system: str = "Python 3.13", stamp: str = "") -> None:
        super().__init__(name)
        self.answers: dict[str, Any] = {
            "environment.system": system,
            "environment.stamp": stamp,
            "environment.size": 9,
            "environment.unfit": ["/opt has no room"],
            "exchange.running": {},
        }

    def python(self, source: str, payload: Any = None, *_: Any, **__: Any) -> Any:
        function = source.splitlines()[0].lstrip("# ")
        self._note(function)
        answer = self.answers.get(function, {})
        if function == "files.existing":
            return payload["arguments"][0]
        if function == "exchange.running":
            return {name: one for name, one in answer.items() if name in payload["arguments"][0]}
        return answer


def test_what_hosts_have_against_it_is_told_of_all_together(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    serves = Compute("new", stamp="1a2b")
    context = replace(context, target=replace(context.target, controllers=(serves,)))
    odd, dead, has = Compute("odd", "Python 3.11"), Compute("dead"), Compute("has", stamp="1a2b")
    dead.dead = True
    found = in_place.findings(context, [odd, dead, has])
    told = [(one.where, one.message) for one in found]
    assert [where for where, _ in told] == ["odd", "odd", "odd", "dead", "has"]
    for words in ("(Python 3.11) is not that of new", "no room", "nothing of OpenStack runs"):
        assert any(words in message for where, message in told if where == "odd")
    assert "cannot be asked: dead is away" in told[3][1]
    assert "nothing of OpenStack runs" in told[4][1]  # its environment stands: no room is needed
    assert {one.severity for one in found} == {Severity.ERROR}
    assert not any("claim" in one for host in (odd, has) for one in host.asked)


def test_what_a_program_runs_from_is_not_replaced(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path)
    serves = Compute("new", stamp="5e6f")  # by a later `pulumi up`
    context = replace(context, target=replace(context.target, controllers=(serves,)))
    host: Any = Compute("has", stamp="1a2b")
    program = f"{context.installation.folder}/bin/nova-compute"
    named = ["--config-file=/etc/nova/nova.conf"]
    host.answers["exchange.running"] = {"nova-compute": {"program": program, "arguments": named}}
    assert not on_computes.made(context, host)
    with pytest.raises(PreconditionError, match=r"nova-compute runs from .*--back --host has"):
        in_place.bring(context, host)
    assert not [one for one in host.asked if "claim" in one or "transfer" in one]
    assert in_place.findings(context, [host]) == []  # it is left alone
    state_directory.record(proof._path(context, host), {})
    (told,) = in_place.findings(context, [host])
    assert "another lock" in told.message


def test_before_the_target_stands_only_units_are_looked_at(tmp_path: Path) -> None:
    context, _ = fakes.context(tmp_path, "new")
    unknown, units = in_place.findings(context, [Compute("odd", "Python 3.11")])
    assert (unknown.severity, unknown.where) == (Severity.WARNING, "new")
    assert "nothing of OpenStack runs" in units.message
