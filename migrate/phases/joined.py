"""Monitors of Ceph that have joined from here, and that the stack file names no more.

No step of such a plan lets them leave: whoever takes their machines away takes the quorum with it.
By the journal alone, so that a stack without Ceph is asked nothing.
"""

from migrate.cloud import Context
from migrate.engine.journal import BEGUN, Journal
from migrate.errors import PreconditionError
from migrate.phases.plan import CEPH_JOINS
from migrate.storage.ceph import members


def forgotten(context: Context, journal: Journal) -> str:
    """Why nothing may be undone or deleted so, as a sentence; "" where nothing is forgotten."""
    begun = {id_ for id_, state in journal.states().items() if state in BEGUN}
    joined = {id_.removeprefix(CEPH_JOINS) for id_ in begun if id_.startswith(CEPH_JOINS)}
    names = sorted(joined - {*members.joining(context)})
    if not names:
        return ""
    return (
        f"monitors of Ceph have joined from here ({', '.join(names)}), and sidestep:ceph of the "
        "stack file does not name them any more: name them there again as it was when they joined"
    )


def refuse_forgotten(context: Context, journal: Journal) -> None:
    """PreconditionError where there is one."""
    if why := forgotten(context, journal):
        raise PreconditionError(why)
