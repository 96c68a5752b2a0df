"""Says what each stage of the lab took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_START = time.monotonic()


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Print *title* with the seconds that the block took, and the seconds since the start."""
    began = time.monotonic()
    yield
    now = time.monotonic()
    print(f"[{now - _START:6.1f} s] {title}: {now - began:.1f} s", flush=True)
