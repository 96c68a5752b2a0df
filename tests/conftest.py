"""Fixtures that tests in more than one folder use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.rig import Rig


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two small machines, a source that serves keystone and glance and an empty target.

    `rig.context` is what steps and checks are given; `rig.reset()` makes both as new.
    """
    made = Rig(tmp_path_factory.mktemp("papers"))
    made.reset()
    yield made
    made.down()
