"""What every test has: how failures are told, which set runs, who runs beside whom."""

from __future__ import annotations

import hypothesis
import pytest

from tests.faults.tally import Summary
from tests.in_order import InOrder
from tests.sets import DEFAULT, Selection
from tests.side_by_side import SideBySide

# on a machine at work an example may take any time, and is no failure for it
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


class Teller:
    """Tells a failure at once: a run of an hour may be cut off before its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._plugins.getplugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.ensure_newline()
            terminal.write_line(f"{report.nodeid} {report.when}: {report.longreprtext[-2000:]}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--set", default=DEFAULT, help="which set of tests/sets.py to run")


def pytest_configure(config: pytest.Config) -> None:
    selection = Selection(config.getoption("--set"))
    for plugin in (Teller(config), selection, SideBySide(), InOrder(), Summary(config)):
        config.pluginmanager.register(plugin)
