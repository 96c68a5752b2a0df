"""`migrate finish`: no way back any more. What only the old release needed goes."""

from collections.abc import Collection
from typing import Any

from migrate.engine.plan import Phase
from migrate.engine.runner import Observer
from migrate.errors import IrreversibleError
from migrate.finish import MARK, online
from migrate.phases import no_return
from migrate.phases.session import Session


def finish(session: Session, notify: Observer, past: Collection[str] = ()) -> dict[str, Any]:
    """Run the steps of FINISH; rows that online data migrations completed, by project.

    Raises IrreversibleError, and nothing is begun, until *past* names the first, after which all
    of them run: there is one point of no return. Run again it goes on, or changes nothing.
    """
    session.refuse_unknown(past, Phase.FINISH)
    begun = no_return.finished(session.context, session.journal)
    if MARK.id not in past and not begun:
        raise IrreversibleError(
            "after this there is no way back, neither by `migrate rollback` nor by `pulumi "
            "destroy`, and nothing overrides that. Nothing was begun: add "
            f"--past {MARK.id} if you mean it"
        )
    every = {one.id for one in session.plan.phase(Phase.FINISH)}
    session.runner(Phase.FINISH, notify=notify, past=every).advance()
    return dict(session.context.extras.get(online.COMPLETED, {}))
