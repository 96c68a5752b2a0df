"""Going live: the instant from which users write on the target, asked here and nowhere else.

Up to `POINT` a window that fails undoes itself; from then on going back may lose what users wrote,
and is the operator's decision. What `migrate rollback` counts as lost is what came after `begin`.
"""

from migrate.cloud import Context
from migrate.engine import markers, window
from migrate.engine.journal import BEGUN, Journal, State
from migrate.errors import MigrateError
from migrate.onhost import call
from migrate.takeover import virtual_ip

# steps of `phases/plan.py`, as the journal knows them
ARM = "gate.timer"  # the timer that would reopen the source
CLOSE = "gate.users"  # the first write is refused: the window begins
DISARM = "gate.disarm"  # no timer from here on
POINT = "vip.takeover"  # the target takes the address, and with it the first write: the window ends
NOTE = "release"  # the machines are marked so


def begin(context: Context) -> None:
    """Mark every machine: users could write from the second on in which the address was taken."""
    since = int(call(context.target.holder, "virtual_ip.since"))
    markers.mark(context, markers.LIVE, float(since))


def begun(context: Context) -> bool:
    """Whether every machine that answers is marked so."""
    return markers.everywhere(context, markers.LIVE)


def undo(context: Context) -> None:
    """No machine is marked so any more."""
    markers.unmark(context, markers.LIVE)


def window_of(journal: Journal) -> window.Window | None:
    """The window of the last cutover, None where there was none or it was undone."""
    return window.window(journal, CLOSE, POINT)


def passed(journal: Journal) -> bool:
    """Whether the journal holds that the address has moved."""
    return journal.state(POINT) is State.DONE


def may_have_passed(context: Context, journal: Journal) -> bool:
    """Whether users may have reached the target, so that going back could lose what they wrote.

    The machines are asked, since a run can die before it notes what it did; one that is silent may
    have been reached.
    """
    noted = journal.state(POINT)
    if noted is State.DONE or noted not in BEGUN:
        return noted is State.DONE
    try:
        return virtual_ip.carried(context)
    except MigrateError:
        return True


def written(context: Context) -> bool:
    """Whether users can have written on the target: marked so, or it has the virtual IP already.

    A run that dies between the two leaves an address that has moved and no mark.
    """
    for ask in (markers.live, virtual_ip.carried):
        try:
            if ask(context):
                return True
        except MigrateError:
            continue  # who is silent says nothing
    return False
