"""The same asked of many things at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Answer = TypeVar("Answer")


def each(act: Callable[[One], Answer], over: Iterable[One], workers: int = 8) -> list[Answer]:
    """*act* on each of *over*, at most *workers* at a time; answers in the same order."""
    things = list(over)
    if not things:
        return []
    with ThreadPoolExecutor(min(workers, len(things))) as pool:
        return list(pool.map(act, things))
