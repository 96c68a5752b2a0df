"""The tests of this folder change the rig for good: each module has it as new.

A module whose tests leave it as they found it says `UNTOUCHED = True`; the next goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrate.cloud import Context
from tests.lab.rig import Rig, using


@pytest.fixture(scope="package")
def machines_of_this_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The rig, left by each module as it likes."""
    with using(tmp_path_factory.mktemp("papers")) as made:
        yield made


@pytest.fixture(scope="module")
def rig(request: pytest.FixtureRequest, machines_of_this_folder: Rig) -> Rig:
    """The rig, as new."""
    if machines_of_this_folder.touched:
        machines_of_this_folder.reset()
    machines_of_this_folder.touched = not getattr(request.module, "UNTOUCHED", False)
    return machines_of_this_folder


@pytest.fixture(scope="module")
def context(rig: Rig) -> Context:
    """What steps and checks are given: a source that serves, and a target beside it."""
    return rig.context
