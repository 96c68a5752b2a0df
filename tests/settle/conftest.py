"""The lab's cloud on the target, under a load that goes on: one for each file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrate.cloud import settings
from tests.lab import cloud, demo, stack
from tests.lab.settings import lab as this_lab


@pytest.fixture(scope="module", autouse=True)
def over() -> Iterator[None]:
    if settings.home(demo.STACK).exists():
        clear()  # who was here before was killed, or has finished for good
    demo.over(this_lab())
    try:
        yield
    finally:
        clear()


def clear() -> None:
    """Nothing of the lab, the load, or the stack is left."""
    cloud.down(this_lab())
    stack.forget()
