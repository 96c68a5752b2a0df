"""`migrate settle --agents`: network agents come over to the target's controllers, or back."""

from migrate.computes import network
from migrate.engine import markers
from migrate.engine.plan import Phase, Plan
from migrate.engine.runner import Observer
from migrate.phases import no_return
from migrate.phases.session import Session


def steps(session: Session) -> Plan:
    """Those of network agents, of the session's plan."""
    ids = {one.id for one in network.steps(session.context.recipes)}
    return Plan(tuple(one for one in session.plan if one.id in ids))


def move(session: Session, notify: Observer) -> None:
    """Bring them over. Safe to repeat: it goes on where they stand."""
    markers.refuse_until_live(session.context)
    session.runner(Phase.SETTLE, notify=notify).advance(steps(session).steps)


def move_back(session: Session, notify: Observer) -> None:
    """Let the source's agents carry everything again. Safe to repeat."""
    no_return.refuse_finished(session.context, session.journal)
    session.runner(Phase.SETTLE, notify=notify).retreat(steps(session).steps)
