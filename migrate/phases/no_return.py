"""After `migrate finish`, or without the old monitors, nothing goes back.

By the machines' word, or the journal's where none of them answers.
"""

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine import markers
from migrate.engine.journal import BEGUN, Journal, State
from migrate.errors import IrreversibleError, MigrateError
from migrate.finish import MARK
from migrate.phases.plan import CEPH_COMMIT
from migrate.storage.ceph import leaving, members


def why(context: Context, journal: Journal) -> str:
    """Why the cloud as a whole does not go back, as a sentence; "" where nothing says so."""
    return finished(context, journal) or _committed(context, journal)


def finished(context: Context, journal: Journal) -> str:
    """The same of `migrate finish` alone, after which no part of it does."""
    found = _marked(context, journal)
    return found and (
        f"there is no way back: {found}, so `migrate finish` has begun to purge what the source "
        "would need; nothing overrides that"
    )


def _marked(context: Context, journal: Journal) -> str:
    """A machine that does not answer leaves the others' word, and the journal's."""
    try:
        if markers.finished(context):
            return f"the machines are marked {markers.FINISHED!r}"
    except MigrateError:
        pass
    done = journal.state(MARK.id) is State.DONE
    return f"the journal shows that {MARK.id} is done" if done else ""


def _committed(context: Context, journal: Journal) -> str:
    if not members.moves(context):
        return ""
    if found := leaving.no_way_back(context):
        return f"there is no way back: {found}"
    # each new monitor's host has it noted before anything is removed
    if not any(map(_answers, members.news(context))) and journal.state(CEPH_COMMIT.id) in BEGUN:
        return (
            f"there is no way back that is known: the journal shows that {CEPH_COMMIT.id} has "
            "begun, and no host of a new monitor answers: bring one up"
        )
    return ""


def _answers(host: Host) -> bool:
    try:
        host.run("true", timeout=10)
    except MigrateError:
        return False
    return True


def refuse(context: Context, journal: Journal) -> None:
    """IrreversibleError where the whole has no way back."""
    if found := why(context, journal):
        raise IrreversibleError(found)


def refuse_finished(context: Context, journal: Journal) -> None:
    """IrreversibleError where no part has one."""
    if found := finished(context, journal):
        raise IrreversibleError(found)
