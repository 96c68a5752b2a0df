"""`migrate settle --update --execute`: hosts of the release come to newer pins of it; or go back.

It may be done before or after `migrate finish`: what it undoes is only its own.
"""

from collections.abc import Iterable
from dataclasses import replace

from migrate.cloud.settings import Settle
from migrate.computes import draining, installers
from migrate.computes.plan import SettlePlan
from migrate.engine.plan import Phase
from migrate.engine.runner import Observer
from migrate.phases import renew
from migrate.phases.plan import compose
from migrate.phases.renew import Outcome
from migrate.phases.session import Session
from migrate.verify import renewed_host


def begin(session: Session) -> Session:
    """The same with a plan by which compute hosts are updated."""
    session.context.extras[installers.UPDATING] = True
    return replace(session, plan=compose(session.context))


def update(session: Session, plan: SettlePlan, limits: Settle, notify: Observer) -> Outcome:
    """Update the hosts of *plan*, batch by batch, as `renew.renew` lets them come over.

    Safe to repeat. A host that fails stays closed; StepError names them. *session* is of `begin`.
    """
    renew.refuse(session.context, plan)
    draining.share(session.context, session.cancellation, plan.places)
    outcome = Outcome(already=list(plan.already))
    for batch in renew.turns(session, plan.names, limits, outcome):
        renew.note_servers(session.context, plan, batch)
        renewed_host.during(session.context, batch)
        renew.together(session, Phase.UPDATE, batch, notify, outcome)
        renewed_host.during(session.context, ())
    renew.end(session, plan.names, outcome)
    return outcome


def put_back(session: Session, names: Iterable[str], notify: Observer) -> None:
    """Let the hosts of *names* run the version before again, which stands beside; seconds each.

    Safe to repeat, and nothing where none was updated. StepError names who is not back.
    """
    draining.share(session.context, session.cancellation)
    renew.refuse_left(renew.each_back(session, Phase.UPDATE, names, notify))
