"""Who runs beside whom when pytest has several workers: `pytest -n 2`, as `make test` does.

Half of the time of most tests is waiting for machines. What shares a rig is one worker's; all else
goes on beside it, a folder at a time. What needs a whole cloud has this host for itself, whoever
else runs tests on it: beside others its services do not answer within a minute. The cloud comes up
before that, beside the small tests: most of it is waiting, too.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

# others: their own name. Who waits in another group for what one group holds waits for ever
FOLDERS = {"checks": "rig", "rig": "rig", "full": "alone", "integration": "pair"}
# who needs nothing that others of its folder need, but a part that is started for it
FILES = {"integration/test_run": "sshd", "integration/test_host": "sshd"}
# the longest first; small ones last: they fill the time in which the cloud comes up
LONGEST = ("rig", "faults", "sshd", "bare", "pair", "infra", "lab", "alone")
ORDER = {name: place for place, name in enumerate(LONGEST)}
RIGS_ARE_DONE = "pair"  # the first group with which the cloud may come up
# held by whoever runs tests: shared, or for himself; each user's own, since unit tests need no root
HOST = Path(tempfile.gettempdir(), f"sidestep-tests-{os.getuid()}.lock")


class SideBySide:
    """Puts tests into groups of one worker each; those that are alone wait for all the others."""

    def __init__(self) -> None:
        self._stands = False
        self._comes: subprocess.Popen[bytes] | None = None
        self._lock = os.open(HOST, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: ORDER.get(group(item.nodeid), len(ORDER)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        from xdist.scheduler import LoadScopeScheduling

        class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # it comes without types
            def _split_scope(self, nodeid: str) -> str:
                return group(nodeid)

        config.option.loadscopereorder = False  # the order is ours
        return ByGroup(config, log)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if (
            group(item.nodeid) == RIGS_ARE_DONE
            and self._comes is None
            and _wants_cloud(item.session)
        ):
            # its words are shown when a test asks for the cloud, and finds that it does not stand
            self._comes = subprocess.Popen(
                [sys.executable, "-m", "tests.lab", "up"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        alone = item.get_closest_marker("lab") is not None
        # sets that take it to its target make it themselves: there it would be taken for broken
        comes = alone and group(item.nodeid) == "alone" and not self._stands
        if comes or not alone:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        if comes:
            _stand_up()
            self._stands = True
        if alone:
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def pytest_sessionfinish(self) -> None:
        os.close(self._lock)  # a worker's process outlives its session until all others end


def _wants_cloud(session: pytest.Session) -> bool:
    return any(item.get_closest_marker("lab") for item in session.items)


def _stand_up() -> None:
    from tests.lab import cloud
    from tests.lab.settings import lab

    cloud.stand_up(lab())


def group(nodeid: str) -> str:
    """What stays in one worker, by the folder of "tests/rig/test_control.py::test_abort".

    Unit tests share nothing: a file is a group.
    """
    file = Path(nodeid.partition("::")[0])
    folder = file.parent.name
    if folder == "unit":
        return file.stem
    return FILES.get(f"{folder}/{file.stem}", FOLDERS.get(folder, folder))
