"""Real parts that several files of tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.cloud import Context
from tests.integration import pair


@pytest.fixture(scope="session")
def two_databases() -> Iterator[Context]:
    """Two machines with MariaDB: see `pair`."""
    with tempfile.TemporaryDirectory(prefix="pair-") as home, pair.running(Path(home)) as made:
        yield made
