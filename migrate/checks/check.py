"""One check: a name and a function that asks the machines and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrate.cloud import Context
from migrate.engine.finding import Finding


@dataclass(frozen=True, slots=True)
class Check:
    """`run` returns what it found; nothing found is a pass.

    One that is `quick` takes seconds, and is made again before the window: what it asks may have
    changed since `migrate check`. The rest runs tools and reads all tables.
    """

    name: str
    title: str
    run: Callable[[Context], list[Finding]]
    quick: bool = False
