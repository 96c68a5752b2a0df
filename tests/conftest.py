"""Fixtures that tests in more than one folder use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.tally import Summary
from tests.lab.rig import Rig
from tests.side_by_side import SideBySide


class Teller:
    """Tells a failure at once: a run of an hour may be cut off before its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._plugins.getplugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.ensure_newline()
            terminal.write_line(f"{report.nodeid} {report.when}: {report.longreprtext[-2000:]}")


def pytest_configure(config: pytest.Config) -> None:
    for plugin in (Teller(config), SideBySide(), Summary(config)):
        config.pluginmanager.register(plugin)


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two small machines, a source that serves keystone and glance and an empty target.

    `rig.context` is what steps and checks are given; `rig.reset()` makes both as new.
    """
    made = Rig(tmp_path_factory.mktemp("papers"))
    made.reset()
    yield made
    made.down()
