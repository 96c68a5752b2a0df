"""`migrate follow`: make the target ready while the cloud serves. Safe to repeat at any time."""

from collections.abc import Collection

from migrate.engine import markers
from migrate.engine.plan import Phase
from migrate.engine.runner import Observer
from migrate.phases.session import Session


def follow(session: Session, notify: Observer, past: Collection[str] = ()) -> None:
    """Run the steps of FOLLOW; refuses once the target has been released (PreconditionError)."""
    markers.refuse_when_live(session.context)
    session.runner(Phase.FOLLOW, notify=notify, past=past).advance()
