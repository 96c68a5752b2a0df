"""After `migrate finish` nothing goes back, by the machines' word or the journal's."""

from migrate.cloud import Context
from migrate.engine import markers
from migrate.engine.journal import Journal, State
from migrate.errors import IrreversibleError, MigrateError
from migrate.finish import MARK


def why(context: Context, journal: Journal) -> str:
    """Why there is no way back; "" where nothing says so.

    A machine that does not answer leaves the others' word, and the journal's.
    """
    try:
        if markers.finished(context):
            return f"the machines are marked {markers.FINISHED!r}"
    except MigrateError:
        pass
    done = journal.state(MARK.id) is State.DONE
    return f"the journal shows that {MARK.id} is done" if done else ""


def refuse(context: Context, journal: Journal) -> None:
    """IrreversibleError where there is no way back."""
    if found := why(context, journal):
        raise IrreversibleError(message(found))


def message(found: str) -> str:
    """The words that refuse, for the reason *found*."""
    return (
        f"there is no way back: {found}, so `migrate finish` has begun to purge what the source "
        "would need; nothing overrides that"
    )
