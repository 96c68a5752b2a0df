"""`migrate accept`: the operator's word that the target stays; shared storage is no longer held."""

from migrate.engine import markers
from migrate.engine.plan import Phase
from migrate.engine.runner import Observer
from migrate.errors import PreconditionError
from migrate.phases.session import Session


def accept(session: Session, notify: Observer) -> None:
    """Let calls through that destroy what a rollback needs; refuses before the release."""
    runner = session.runner(Phase.ACCEPT, notify=notify)
    if not runner.plan:
        raise PreconditionError("no service of this stack shares storage: nothing is held")
    if not markers.live(session.context):
        raise PreconditionError("the target does not serve yet: there is nothing to accept")
    runner.advance()
