"""How many monitors are in the quorum, all the time, by the word of one of them."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from migrate.cloud import Context, apart
from migrate.errors import MigrateError
from migrate.storage.ceph import monitor

Seen = list[tuple[float, int]]  # when, how many
PAUSE_SECONDS = 0.3


@contextmanager
def watched(context: Context, name: str) -> Iterator[Seen]:
    """What the monitor on *name* says meanwhile; elections, which have none, are left out.

    It is there when the block has ended. A process asks: a thread would hinder whoever forks.
    """
    found: Seen = []
    with tempfile.TemporaryFile("w+") as file:
        asks = multiprocessing.get_context("fork").Process(
            target=_watch, args=(context, name, file), daemon=True
        )
        asks.start()
        try:
            yield found
        finally:
            asks.kill()
            asks.join()
        file.seek(0)
        found += [(float(at), int(number)) for at, number in map(str.split, file)]


def longest(seen: Seen, number: int) -> float:
    """For how many seconds there were no more than *number* at a time."""
    found, since = 0.0, float("inf")
    for at, now in seen:
        since = min(since, at) if now <= number else float("inf")
        found = max(found, at - since)
    return found


def _watch(context: Context, name: str, file: IO[str]) -> None:
    host = apart(context).named(name)
    while True:
        at = time.monotonic()
        with suppress(MigrateError):
            if quorum := monitor.standing(host).quorum:
                print(at, len(quorum), file=file, flush=True)
        time.sleep(PAUSE_SECONDS)
