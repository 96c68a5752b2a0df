"""Who runs beside whom when pytest has several workers: `pytest -n 2`, as `make test` does.

Half of the time of most tests is waiting for machines. What shares a rig is one worker's; all else
goes on beside it, a folder at a time. What needs a whole cloud comes last and has this host for
itself, whoever else runs tests on it: beside others its services do not answer within a minute.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

# others: their own name; the first commands of a bare root start the machines that "lab" tests
FOLDERS = {"checks": "rig", "rig": "rig", "bare": "lab", "full": "alone"}
# the longest first; small ones last, so that no worker ends long before another
ORDER = {"rig": 0, "faults": 1, "infra": 2, "integration": 3, "lab": 4, "alone": 6}
# held by whoever runs tests: shared, or for himself; each user's own, since unit tests need no root
HOST = Path(tempfile.gettempdir(), f"sidestep-tests-{os.getuid()}.lock")


class SideBySide:
    """Puts tests into groups of one worker each; those that are alone wait for all the others."""

    def __init__(self) -> None:
        self._lock = os.open(HOST, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: ORDER.get(group(item.nodeid), 5))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        from xdist.scheduler import LoadScopeScheduling

        class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # it comes without types
            def _split_scope(self, nodeid: str) -> str:
                return group(nodeid)

        config.option.loadscopereorder = False  # who is alone must come last
        return ByGroup(config, log)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        alone = item.get_closest_marker("lab") is not None
        fcntl.flock(self._lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)

    def pytest_sessionfinish(self) -> None:
        os.close(self._lock)  # a worker's process outlives its session until all others end


def group(nodeid: str) -> str:
    """What stays in one worker, by the folder of "tests/rig/test_control.py::test_abort".

    Unit tests share nothing: a file is a group.
    """
    file = Path(nodeid.partition("::")[0])
    own = file.stem if file.parent.name == "unit" else file.parent.name
    return FOLDERS.get(file.parent.name, own)
