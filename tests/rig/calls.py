"""Clients that call an API all the time, each with a connection of its own, as urllib3's do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import urllib3


@dataclass
class Calls:
    """What became of each: when it began and ended, and its status, or what failed."""

    made: list[tuple[float, float, str]] = field(default_factory=list)

    def failed(self, *, but: tuple[str, ...] = ("200",)) -> list[str]:
        """What is not among *but*, in the order in which it ended."""
        return [said for _, _, said in sorted(self.made, key=lambda one: one[1]) if said not in but]

    def longest(self) -> float:
        return max(end - begin for begin, end, _ in self.made)

    def since(self, moment: float) -> Calls:
        """Those that began after *moment* of time.monotonic()."""
        return Calls([one for one in self.made if one[0] >= moment])


@contextmanager
def calling(url: str, clients: int = 4, pause: float = 0.05) -> Iterator[Calls]:
    """GET *url* for as long as the block; every second client keeps its connection."""
    calls, over = Calls(), threading.Event()

    def client(number: int) -> None:
        headers = {} if number % 2 else {"Connection": "close"}
        with urllib3.PoolManager(maxsize=1, retries=False, timeout=30) as pool:
            while not over.wait(pause):
                begin = time.monotonic()
                try:
                    said = str(pool.request("GET", url, headers=headers).status)
                except urllib3.exceptions.HTTPError as error:
                    said = type(error).__name__
                calls.made.append((begin, time.monotonic(), said))

    threads = [threading.Thread(target=client, args=(one,)) for one in range(clients)]
    for one in threads:
        one.start()
    try:
        yield calls
    finally:
        over.set()
        for one in threads:
            one.join()
