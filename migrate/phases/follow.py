"""`migrate follow`: make the target ready while the cloud serves. Safe to repeat at any time."""

from collections.abc import Collection

from migrate.database import clone
from migrate.database.replication import server_copy
from migrate.engine import finding, markers
from migrate.engine.plan import Phase
from migrate.engine.runner import Observer
from migrate.phases.session import Session
from migrate.storage.ceph import members


def follow(session: Session, notify: Observer, past: Collection[str] = ()) -> None:
    """Run the steps of FOLLOW; refuses once the target has been released (PreconditionError).

    Hosts with OSDs that could not come over are refused here too: a monitor that has joined a
    cluster on which nothing goes on is a risk for nothing.
    """
    finding.refuse(members.mixed(session.context))
    markers.refuse_when_live(session.context)
    session.runner(Phase.FOLLOW, notify=notify, past=past).advance()


def mend(session: Session) -> None:
    """What a killed rehearsal or seed left on the target's database host is no more.

    Before the checks: a server that was killed half in place would not answer them.
    """
    target = session.context.target.database
    server_copy.put_back(target)
    clone.remove(target)
