"""What must be so before something large happens: the words with which we refuse otherwise."""

import os
from contextlib import closing

from migrate.cloud import Context
from migrate.engine import cloud_lock, markers
from migrate.engine.journal import Journal
from migrate.engine.plan import Phase
from migrate.errors import MigrateError, PreconditionError, one_line
from migrate.phases import joined, no_return, rollback
from migrate.phases.session import context_of, opened
from migrate.storage.ceph import members

GO_BACK = "MIGRATE_GO_BACK"
FRESH_SECONDS = 60.0


def cutover_begun(context: Context) -> str:
    """Why we think that the cutover of this stack has begun; "" when it has not.

    The machines are asked first, since a journal can be lost or belong to another operator's
    host; a machine that does not answer leaves the journal's word.
    """
    try:
        if stage := markers.stage(context):
            return f"the machines are marked {stage!r}"
    except PreconditionError as error:
        return str(error)  # a mark that nobody here understands
    except MigrateError:
        pass
    with closing(Journal(context.home / "journal", reading=True)) as journal:
        begun = sorted(journal.entered(Phase.CUTOVER))
    return f"the journal shows {', '.join(begun[:3])} begun" if begun else ""


def refuse_beside(stack: str) -> str | None:
    """The words that refuse to touch a machine of *stack* while a run is at work, or None.

    Whatever Pulumi would make, change or restart there, the run counts on.
    """
    who = cloud_lock.at_work(context_of(stack))
    if not who:
        return None
    return (
        f"refused: another run is at work: {who}. Wait for it, then run the same again; if it is "
        f"dead, `migrate status --stack {stack}` says how to go on"
    )


def refuse_joined(stack: str) -> str | None:
    """The words that refuse to delete a part of *stack* while a monitor of Ceph's may stand on it.

    The old monitors know it also where the stack file names its machine no more. The way back,
    which a destroy walks first, lets each leave.
    """
    context = context_of(stack)
    with closing(Journal(context.home / "journal", reading=True)) as journal:
        if why := joined.forgotten(context, journal):
            return f"refused: {why}"
    if not members.moves(context):
        return None
    try:
        names = members.joined(context)
    except MigrateError as error:
        return (
            f"refused: whether monitors of Ceph have joined from here is not known ({error}); "
            "their loss may stop the cluster"
        )
    if not names:
        return None
    return (
        f"refused: monitors of Ceph have joined from here ({', '.join(names)}), and their loss may "
        f"stop the cluster: `migrate rollback --execute --stack {stack}` lets them leave first, "
        "with the stack's file as it was when they joined"
    )


def refuse_delete(stack: str) -> str | None:
    """The words that refuse to delete a part of *stack*, or None where it may go.

    Before the cutover everything may go. After it only `MIGRATE_GO_BACK=<stack> pulumi destroy`,
    because Pulumi deletes on a rename, a replacement or a removed line as well; after
    `migrate finish`, or without the old monitors of Ceph, nothing does.
    """
    context = context_of(stack)
    with closing(Journal(context.home / "journal", reading=True)) as journal:
        gone = no_return.why(context, journal)
    if gone:
        return (
            f"refused: {gone}. This is the cloud that serves: take its "
            "machines down one by one yourself if that is what you want"
        )
    if os.environ.get(GO_BACK) == stack:
        return None
    why = cutover_begun(context)
    if not why:
        return None
    return (
        f"refused: {why}, so this is the cloud that serves. {_would_be_lost(stack)}. To go back to "
        f"the source and give that up: {GO_BACK}={stack} pulumi destroy --stack {stack}; "
        f"`migrate rollback --stack {stack}` shows it in full"
    )


def _would_be_lost(stack: str) -> str:
    """The counts, and where all of it is written; the cloud is not listed twice in a minute."""
    try:
        with opened(stack, "destroy refused", changes=False) as session:
            found = rollback.kept(session.context, FRESH_SECONDS) or rollback.foreseen(session)
    except Exception as error:  # the refusal must stand whatever cannot be asked
        return f"What would be lost cannot be told ({one_line(error)})"
    if not found:
        return "Nothing was written on it since the cutover"
    return f"Going back would lose {found.summary()}, listed in {session.home / rollback.FILE}"
