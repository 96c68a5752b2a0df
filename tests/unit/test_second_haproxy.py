"""A second HAProxy, which tries files, is started as the first one was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from migrate.onhost import haproxy


def test_it_stands_where_the_first_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that folder's name leads nowhere, as in a root of its own."""
    place = tmp_path / "place"
    place.mkdir()
    with subprocess.Popen(["sleep", "60"], cwd=place) as first:
        monkeypatch.setattr(haproxy, "_master", lambda: first.pid)
        assert haproxy.folder() == str(place)
        place.rmdir()
        assert not Path(haproxy.folder()).exists()
        subprocess.run(["true"], cwd=haproxy.working_folder(), check=True)
        first.kill()
