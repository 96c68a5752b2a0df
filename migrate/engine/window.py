"""How long the window was and what it was made of, from the journal."""

import re
from dataclasses import dataclass

from migrate.engine.journal import Event, Journal, State
from migrate.engine.plan import Phase

WAS_DONE = "was done"  # the note of a step that found nothing to do
FORETOLD = re.compile(r"predicted ([0-9.]+) s")


@dataclass(frozen=True, slots=True)
class Span:
    """One step's last run; `start` and `end` are seconds since the epoch.

    `predicted` are the seconds that the plan gave it as it began, None where nobody noted that.
    """

    step: str
    start: float
    end: float
    predicted: float | None = None

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


def foretold(seconds: float) -> str:
    """The note of a step that begins, of which the plan says that it takes *seconds*."""
    return f"predicted {seconds:.2f} s"


def _predicted(event: Event) -> float | None:
    found = FORETOLD.fullmatch(event.note)
    return float(found[1]) if found else None


def worked(events: list[Event]) -> dict[str, Span]:
    """The last run of every step that found something to do and did it, also if undone since."""
    began: dict[str, Event] = {}
    found: dict[str, Span] = {}
    for event in events:
        if event.state is State.STARTED:
            began[event.step] = event
        elif event.state is State.DONE and event.note != WAS_DONE and event.step in began:
            first = began[event.step]
            found[event.step] = Span(event.step, first.at, event.at, _predicted(first))
    return found


def spans(events: list[Event]) -> list[Span]:
    """The last completed run of every step, by its start."""
    began: dict[str, Event] = {}
    found: dict[str, Span] = {}
    for event in events:
        if event.state is State.STARTED:
            began[event.step] = event
        elif event.state is State.DONE and event.step in began:
            first = began[event.step]
            found[event.step] = Span(event.step, first.at, event.at, _predicted(first))
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
