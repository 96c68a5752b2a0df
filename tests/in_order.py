"""Modules whose tests go on from each other: `pytestmark = pytest.mark.in_order`.

One failure is told as one: what comes after it in the module was not reached, and says so.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

FAILED = pytest.StashKey[str]()


class InOrder:
    """Leaves the rest of a module out once one of its tests has failed."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        module = item.getparent(pytest.Module)
        if module and item.get_closest_marker("in_order") and report.failed:
            module.stash.setdefault(FAILED, item.name)
        return report

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        module = item.getparent(pytest.Module)
        if module and (failed := module.stash.get(FAILED, "")):
            pytest.skip(f"not reached: {failed} failed")
