"""What the plan said that steps would take, beside what they took by the journal."""

from dataclasses import dataclass, replace

from migrate.engine import window
from migrate.engine.plan import Phase, Plan, Step
from migrate.engine.window import Span
from migrate.phases.session import Session
from migrate.takeover import going_live


@dataclass(frozen=True, slots=True)
class Timing:
    """One step, in seconds; `predicted` as the plan was when it began."""

    step: str
    predicted: float
    measured: float


def of(session: Session, *phases: Phase) -> list[Timing]:
    """The steps of *phases* by the start of their last run that did something, or of their last.

    One without an end is left out, and so is one that was undone.
    """
    events = [event for phase in phases for event in session.journal.events(phase)]
    worked = window.worked(events)
    steps = {step.id: step for step in session.plan.phase(*phases)}
    spans = [worked.get(span.step, span) for span in window.spans(events)]
    return [
        Timing(span.step, predicted(steps[span.step], span), span.seconds)
        for span in sorted(spans, key=lambda span: span.start)
        if span.step in steps
    ]


def predicted(step: Step, span: Span) -> float:
    """What the plan gave *step* as it began; of an older journal what it gives it now."""
    return step.estimate if span.predicted is None else span.predicted


def within(session: Session) -> Plan:
    """The steps that the last window was made of, as the plan was then; none without a window."""
    seen = going_live.window_of(session.journal)
    spans = {span.step: span for span in seen.spans} if seen else {}
    return Plan(
        tuple(
            replace(step, estimate=predicted(step, spans[step.id]))
            for step in session.plan
            if step.id in spans
        )
    )
