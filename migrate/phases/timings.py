"""What the plan says that steps take, beside what they took by the journal."""

from dataclasses import dataclass

from migrate.engine import window
from migrate.engine.plan import Phase, Plan
from migrate.phases.session import Session
from migrate.takeover import going_live


@dataclass(frozen=True, slots=True)
class Timing:
    """One step, in seconds."""

    step: str
    predicted: float
    measured: float


def of(session: Session, phase: Phase) -> list[Timing]:
    """The steps of *phase* by the start of their last run; one without an end is left out."""
    predicted = {step.id: step.estimate for step in session.plan.phase(phase)}
    return [
        Timing(span.step, predicted[span.step], span.seconds)
        for span in window.spans(session.journal.events(phase))
        if span.step in predicted
    ]


def within(session: Session) -> Plan:
    """The steps that the last window was made of; none where the journal holds no window."""
    seen = going_live.window_of(session.journal)
    names = {span.step for span in seen.spans} if seen else set()
    return Plan(tuple(step for step in session.plan if step.id in names))
