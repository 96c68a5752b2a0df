"""Going live: the instant from which users write on the target, asked here and nowhere else.

Where a front stands before the source's proxy it lets their calls through to the target, and the
address moves last; where none does, they come with the address.

Up to `POINT` a window that fails undoes itself; from then on going back may lose what users wrote,
and is the operator's decision. What `migrate rollback` counts as lost is what came after `begin`.
"""

from migrate.cloud import Context
from migrate.cloud.hosts import call_each
from migrate.engine import markers, window
from migrate.engine.journal import BEGUN, Journal, State
from migrate.errors import MigrateError
from migrate.onhost import call
from migrate.takeover import fence, front, virtual_ip
from migrate.takeover.gate import reopen_timer

# steps of `phases/plan.py`, as the journal knows them
ARM = "gate.timer"  # the timer that would reopen the source
CLOSE = "gate.users"  # the first write is refused: the window begins
DISARM = "gate.disarm"  # no timer from here on, or from the flip
POINT = "vip.takeover"  # the target gets the first write: the window ends
NOTE = "release"  # the machines are marked so


def let_in(context: Context) -> None:
    """Let calls through to the target, those first that wait, then move the address.

    All that could forbid it was asked before: calls wait.
    """
    reopen_timer.leave_a_moment(context)
    front.flip(context)
    reopen_timer.disarm(context)  # a front that has flipped holds it back
    front.end_calls(context)
    # by the address it would find the target's database
    fence.fence_control(context)
    virtual_ip.take_over(context)


def unwatched(context: Context) -> bool:
    """Whether nothing reopens the source any more, or a front that flips will see to it."""
    return front.closed(context) or reopen_timer.disarmed(context)


def unwatch(context: Context) -> None:
    """Take the watch away where no front does so in the same instant as it flips."""
    if not front.closed(context):
        reopen_timer.disarm(context)


def turn_away(context: Context) -> None:
    """The exact reverse: nobody gets to either side, and the address goes home."""
    call_each(context.source.controllers, "front.close", "all", timeout=60)
    virtual_ip.give_back(context)


def begin(context: Context) -> None:
    """Mark every machine: users could write from the second on in which the first call came."""
    since = float(call(context.target.holder, "virtual_ip.since"))
    markers.mark(context, markers.LIVE, min(since, front.flipped(context) or since))


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
        return bool(front.flipped(context)) or virtual_ip.carried(context)
    except MigrateError:
        return True


def written(context: Context) -> bool:
    """Whether users can have written on the target: marked so, or calls lead there already.

    A run that dies between the two leaves no mark.
    """
    for ask in (markers.live, front.flipped, virtual_ip.carried):
        try:
            if ask(context):
                return True
        except MigrateError:
            continue  # who is silent says nothing
    return False
