"""The tests of this folder change the rig for good: each module has it as new."""

from __future__ import annotations

import pytest

from tests.lab.rig import Rig


@pytest.fixture(scope="module")
def rig(rig: Rig) -> Rig:
    """The rig, as new."""
    rig.reset()
    return rig
