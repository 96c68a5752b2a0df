"""Both sides equal at one instant, while the source serves and the target follows.

The source's sessions see one snapshot, the target stands still at the same position; after the
first time only what the binary log names since is compared.
"""

import time
from functools import partial

from migrate.cloud import Context, side_by_side
from migrate.database import connection, instant, progress, rows
from migrate.database.difference import Difference, differences
from migrate.database.fingerprint import CONNECTIONS, Fingerprint, Opener, taken_by
from migrate.database.replication import log, proven, replica
from migrate.database.service_databases import known, known_logins
from migrate.errors import StepError

FRESH = 60.0  # seconds for which a proof is not made again
NEXT = "next automatic number"  # no snapshot has it, and rolled back rows raise it: see `copy`
ROWS = ("number of rows", "row checksum", "rows")
SHOWN = 20


def proved(context: Context) -> bool:
    """Whether both sides were equal a moment ago; so it is where nothing is followed, too.

    A run that was killed over a proof may have left the target standing still: to prove again has
    it go on.
    """
    standing = replica.standing(context)
    if not standing.ours:
        return True
    found = proven.proof(context)
    return standing.follows and found is not None and 0 <= time.time() - found.at < FRESH


def prove(context: Context) -> None:
    """Prove it, or raise StepError with what differs, by table and range of keys.

    A copy that differs is not followed any more: `migrate follow` makes it anew. Safe to repeat.
    """
    if not replica.standing(context).ours:
        return
    for known_before in (True, False):  # before anything is told, all is read
        if not (found := _compare(context, known_before)):
            return
    target = context.target.database
    with connection.session(target) as link:
        progress.forget(link, progress.SEED)
    proven.forget(context)
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise StepError(
        f"{target.name}: the databases follow the source's and differ: "
        f"{'; '.join(found[:SHOWN])}{more}. `migrate follow` makes them anew"
    )


def _compare(context: Context, known_before: bool) -> list[str]:
    """What differs at one instant; [] is kept as proven."""
    source, target = context.source.database, context.target.database
    with replica.paused(context) as come, instant.sessions(source, CONNECTIONS) as links:
        place = log.now(links[0])
        come(place.gtid)
        since = proven.since(context, place) if known_before else None
        names = [one.name for one in known(context)]
        users = [one.user for one in known_logins(context)]

        def read(opened: Opener) -> Fingerprint:
            return taken_by(opened, names, users, since)

        sides: tuple[Opener, Opener] = instant.shared(links), partial(connection.session, target)
        there, here = side_by_side.each(read, sides)
        found = [one for one in differences(there, here, ("source", "target")) if one.kind != NEXT]
        if not found:
            proven.keep(context, place, there)
        with connection.session(target) as link:
            return [_told(one, links[0], link, there) for one in found]


def _told(
    one: Difference, source: connection.Session, target: connection.Session, there: Fingerprint
) -> str:
    """A difference for people, with the rows that it is about."""
    if one.kind not in ROWS:
        return str(one)
    table = connection.quoted(*one.name.split(".", 1))
    definition = there["tables"][one.name]["definition"]
    return f"{one} ({rows.apart(source, target, table, definition)})"
