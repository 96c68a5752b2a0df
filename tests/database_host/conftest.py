"""The rig with a third machine, for the source's database, and an operator beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.bench import Bench
from tests.lab.rig import using


@pytest.fixture(scope="package")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Machines as new, an operator who never saw them."""
    folder = tmp_path_factory.mktemp("operator") / "home"
    with using(tmp_path_factory.mktemp("papers"), apart=1) as made:
        found = Bench(made, folder)
        found.prepare(folder)
        found.standing = "found"
        yield found
