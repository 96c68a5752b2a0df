"""A client that writes while something is done to the cluster, and what it must not notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.ceph import writer
from tests.lab.settings import CephLab


@contextmanager
def unharmed(rig: CephLab, longest_gap: float) -> Iterator[None]:
    """No block that it writes is lost, and none waits as long as *longest_gap* seconds."""
    with writer.writing(rig) as written:
        yield
    print(written)
    assert written.written > 0
    assert written.bad == 0
    assert written.longest < longest_gap, written.gaps
