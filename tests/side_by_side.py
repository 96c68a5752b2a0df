"""Who runs beside whom when pytest has several workers: `pytest -n 2`, as `make test` does.

Most of a test's time is waiting for machines. What shares a machine stays in one worker; all else
goes on beside it, a folder at a time. The lab takes longest, so it begins first.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO, Any

import pytest

FOLDERS = {"checks": "rig", "rig": "rig", "full": "cloud"}  # others: their own name
ORDER = {"cloud": 0, "rig": 1, "faults": 2, "infra": 3, "integration": 4}
LAB = Path("/run/sidestep-lab.user")  # held by the one who uses the lab


class SideBySide:
    """Puts tests into groups of one worker each; the lab has one user at a time."""

    def __init__(self) -> None:
        self._lab: IO[str] | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: ORDER.get(group(item.nodeid), len(ORDER)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        from xdist.scheduler import LoadScopeScheduling

        class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # it comes without types
            def _split_scope(self, nodeid: str) -> str:
                return group(nodeid)

        config.option.loadscopereorder = False  # who takes longest must come first
        return ByGroup(config, log)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker("lab") and self._lab is None:
            self._lab = LAB.open("w")
            fcntl.flock(self._lab, fcntl.LOCK_EX)

    def pytest_sessionfinish(self) -> None:
        if self._lab is not None:
            self._lab.close()


def group(nodeid: str) -> str:
    """What stays in one worker, by the folder of "tests/rig/test_window.py::test_over"."""
    folder = Path(nodeid.partition("::")[0]).parent.name
    return FOLDERS.get(folder, folder)
