"""Names that need each other, in order: each after what it needs, else the first that was given."""

from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from heapq import heappop, heappush


class Order:
    """Hands out names as their needs are met; the work grows with names and needs, not faster."""

    def __init__(self, needs: Mapping[str, Collection[str]]) -> None:
        """*needs* has what each name comes after; graphlib.CycleError where they go in a circle."""
        self._places = {name: place for place, name in enumerate(needs)}
        self._names = list(needs)
        self._sorter = TopologicalSorter(needs)
        self._sorter.prepare()
        self._ready: list[int] = []
        self._find_ready()

    def __len__(self) -> int:
        """How many can be taken now."""
        return len(self._ready)

    def take(self) -> str:
        """The first of those whose needs are met; each is given once."""
        return self._names[heappop(self._ready)]

    def done(self, name: str) -> None:
        """Let go what waited for *name*."""
        self._sorter.done(name)
        self._find_ready()

    def _find_ready(self) -> None:
        for name in self._sorter.get_ready():
            heappush(self._ready, self._places[name])
