"""The tests of this folder change the rig for good: each module has it as new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.rig import Rig, using


@pytest.fixture(scope="package")
def machines_of_this_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The rig, left by each module as it likes."""
    with using(tmp_path_factory.mktemp("papers")) as made:
        yield made


@pytest.fixture(scope="module")
def rig(machines_of_this_folder: Rig) -> Rig:
    """The rig, as new."""
    machines_of_this_folder.reset()
    return machines_of_this_folder
