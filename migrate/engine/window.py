"""How long the window was and what it was made of, from the journal."""

from dataclasses import dataclass

from migrate.engine.journal import Event, Journal, State
from migrate.engine.plan import Phase


@dataclass(frozen=True, slots=True)
class Span:
    """One step's last run; `start` and `end` are seconds since the epoch."""

    step: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Window:
    """From the first refused write to the first that the target can serve."""

    start: float
    end: float
    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        return self.end - self.start


def spans(events: list[Event]) -> list[Span]:
    """The last completed run of every step, by its start."""
    began: dict[str, float] = {}
    found: dict[str, Span] = {}
    for event in events:
        if event.state is State.STARTED:
            began[event.step] = event.at
        elif event.state is State.DONE and event.step in began:
            found[event.step] = Span(event.step, began[event.step], event.at)
        elif event.state is State.REVERTED:
            found.pop(event.step, None)
    return sorted(found.values(), key=lambda span: span.start)


def window(journal: Journal, first: str, last: str) -> Window | None:
    """From *first* to *last* of the last cutover, None where there was none or it was undone."""
    found = {span.step: span for span in spans(journal.events(Phase.CUTOVER))}
    if first not in found or last not in found:
        return None
    start, end = found[first].start, found[last].end
    inside = tuple(s for s in found.values() if s.end > start and s.start < end)
    return Window(start, end, inside)
