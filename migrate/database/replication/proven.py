"""At which place in the source's log both sides were proven equal, as the target keeps it."""

import time
from dataclasses import dataclass
from typing import Any

from migrate.cloud import Context
from migrate.database import connection, progress
from migrate.database.fingerprint import Fingerprint, Since, digest
from migrate.database.replication import log, state
from migrate.database.replication.log import Place
from migrate.onhost import call

RECORD = "replica-proof"
NOTED = "proof"  # of the copy as it is: gone when that is made anew


@dataclass(frozen=True, slots=True)
class Proof:
    """`fingerprint` is what both sides said at `place`, `at` when, in seconds since 1970."""

    place: Place
    fingerprint: Fingerprint
    at: float


def keep(context: Context, place: Place, fingerprint: Fingerprint) -> None:
    """Both sides were equal at *place*."""
    target = context.target.database
    found = {"place": place.kept(), "fingerprint": fingerprint, "at": time.time()}
    call(target, "record.save", RECORD, found)
    with connection.session(target) as link:
        progress.note(link, NOTED, digest(fingerprint))


def forget(context: Context) -> None:
    """Nothing is proven; safe to repeat."""
    target = context.target.database
    with connection.session(target) as link:
        progress.forget(link, NOTED)
    call(target, "record.forget", RECORD)


def proof(context: Context) -> Proof | None:
    """The last one, of the copy that follows; None where it was written to by us since, too."""
    target = context.target.database
    found: dict[str, Any] | None = call(target, "record.load", RECORD)
    if not found:
        return None
    with connection.session(target) as link:
        stands = progress.noted(link, NOTED, digest(found["fingerprint"]))
        if not stands or progress.ever(link, progress.OWN_WRITES):
            return None
    return Proof(Place(**found["place"]), found["fingerprint"], found["at"])


def since(context: Context, place: Place) -> Since | None:
    """What is known of both sides at *place*; None where all must be read."""
    found = proof(context)
    if not found:
        return None
    return log.since(context.source.database, found.fingerprint["tables"], found.place, place)


def arrived(context: Context, place: Place) -> bool:
    """Whether the target has all of the source's log before *place*."""
    with connection.session(context.target.database) as link:
        return state.reaches(link, place.gtid, 0)
