"""Debian's modules in a release's environment: linked, seen, taken away, and nobody else's."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from migrate.onhost import bindings

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Debian's folder, which has rbd, and the environment's."""
    debian, environment = tmp_path / "debian", tmp_path / "environment"
    for one in (debian, environment):
        one.mkdir()
    (debian / f"rbd{SUFFIX}").write_text("module")
    monkeypatch.setattr(bindings, "PACKAGED", str(debian))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: {"platlib": str(environment)}[name])
    return debian, environment


def test_a_module_is_linked_and_taken_away(places: tuple[Path, Path]) -> None:
    debian, environment = places
    assert bindings.linked(["rbd"]) == []
    for _ in range(2):
        bindings.link(["rbd"])
        assert bindings.linked(["rbd"]) == ["rbd"]
    assert (environment / f"rbd{SUFFIX}").read_text() == "module"
    (debian / f"rbd{SUFFIX}").unlink()
    assert bindings.linked(["rbd"]) == []  # it leads nowhere
    bindings.unlink(["rbd", "rados"])
    assert list(environment.iterdir()) == []


def test_a_package_of_another_python_is_named(places: tuple[Path, Path]) -> None:
    with pytest.raises(RuntimeError, match="python3-rados is of another Python"):
        bindings.link(["rbd", "rados"])


def test_what_the_environment_brings_itself_is_left_there(places: tuple[Path, Path]) -> None:
    own = places[1] / f"rbd{SUFFIX}"
    own.write_text("its own")
    assert bindings.linked(["rbd"]) == []
    bindings.unlink(["rbd"])
    assert own.read_text() == "its own"
