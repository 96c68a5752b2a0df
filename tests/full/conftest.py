"""What must be in place before a pass begins: a sampler, and things to lose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.full.watch import Watch
from tests.lab import cloud, load
from tests.lab.settings import lab


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Every process of every host is looked at from before the pass until `watched.end()`.

    A pass that failed half-way leaves no load behind to slow down the tests after it.
    """
    this = lab()
    cloud.stand_up(this)
    watch = Watch(this, tmp_path_factory.mktemp("watch"))
    watch.begin()
    yield watch
    watch.end()
    load.stop(this)
