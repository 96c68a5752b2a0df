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


def acts(events: list[Event]) -> list[Span]:
    """Every time that a step was at work, forwards or back, also in vain, by its start.

    One that nobody saw end was at work until the last that its run noted.
    """
    last = {event.run: event.at for event in events}
    began: dict[str, Event] = {}
    found: list[Span] = []
    for event in events:
        before = began.pop(event.step, None)
        if event.state in (State.STARTED, State.REVERTING):
            began[event.step] = event
        if before:
            died = event.step in began
            end = last[before.run] if died else event.at
            found.append(Span(before.step, before.at, end))
    found += [Span(one.step, one.at, last[one.run]) for one in began.values()]
    return sorted(found, key=lambda span: span.start)


def of_host(step: str) -> str:
    """The host of a step like "cmp1.renew"; of "probe" none, of "agents.start" one that is none."""
    return step.rpartition(".")[0]


def window(journal: Journal, first: str, last: str) -> Window | None:
    """From *first* to *last* of the last cutover, None where there was none or it was undone."""
    found = {span.step: span for span in spans(journal.events(Phase.CUTOVER))}
    if first not in found or last not in found:
        return None
    start, end = found[first].start, found[last].end
    inside = tuple(s for s in found.values() if s.end > start and s.start < end)
    return Window(start, end, inside)
