"""The lab on Ceph, for this folder; with SIDESTEP_KEEP_LAB=1 it is left, and used again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import cloud, identity, settings
from tests.lab.settings import CephLab


@pytest.fixture(scope="package")
def lab() -> Iterator[CephLab]:
    """The cloud with its content, and the cluster beneath."""
    this = CephLab(home=settings.lab().home)
    cloud.stand_up(this)
    yield this
    if not os.environ.get("SIDESTEP_KEEP_LAB"):
        cloud.down(this)  # which fails where anything is left


@pytest.fixture(scope="package")
def admin(lab: CephLab) -> Any:
    """The administrator's connection."""
    return identity.connect(lab)
