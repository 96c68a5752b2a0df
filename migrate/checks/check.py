"""One check: a name and a function that asks the machines and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from migrate.cloud import Context
from migrate.engine.finding import Finding

One = TypeVar("One")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Check:
    """`run` returns what it found; nothing found is a pass."""

    name: str
    title: str
    run: Callable[[Context], list[Finding]]


def everywhere(act: Callable[[One], Answer], over: Iterable[One], workers: int = 8) -> list[Answer]:
    """*act* on each of *over*, several at a time; answers in the same order."""
    things = list(over)
    if not things:
        return []
    with ThreadPoolExecutor(min(workers, len(things))) as pool:
        return list(pool.map(act, things))
