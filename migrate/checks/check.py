"""One check: a name and a function that asks the machines and changes nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from migrate.cloud import Context
from migrate.engine.finding import Finding, filled


@dataclass(frozen=True, slots=True)
class Check:
    """`ask` gives what it finds; nothing found is a pass.

    One that is `quick` takes seconds, and is made again before the window: what it asks may have
    changed since `migrate check`. The rest runs tools and reads all tables.
    """

    name: str
    ask: Callable[[Context], Iterable[Finding]]
    quick: bool = False

    def run(self, context: Context) -> list[Finding]:
        """All that it finds, under its name where another part has not given it its own."""
        return list(filled(self.ask(context), check=self.name))
