"""Both sides equal at one instant, while the source serves and the target follows.

The source's sessions see one snapshot, the target stands still at the same position; after the
first time only what the binary log names since is compared.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from migrate.cloud import Context, side_by_side
from migrate.database import baseline, connection, instant, merged, progress, rows, servers
from migrate.database.difference import Difference, differences
from migrate.database.fingerprint import CONNECTIONS, Fingerprint, taken_by
from migrate.database.replication import log, proven, replica
from migrate.database.servers import Server
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
    """What differs at one instant of each server; [] is kept as proven."""
    target, those = context.target.database, servers.of(context)
    with replica.paused(context) as come, ExitStack() as stack:
        links = [stack.enter_context(instant.sessions(one.host, CONNECTIONS)) for one in those]
        places = {one.host.name: log.now(of[0]) for one, of in zip(those, links, strict=True)}
        come(*(place.gtid for place in places.values()))
        since = proven.since(context, places) if known_before else None

        def of_source(server: Server, opened: list[connection.Session]) -> Fingerprint:
            return taken_by(instant.shared(opened), server.names, server.users, since)

        def of_target() -> Fingerprint:
            return baseline.of(context, target, since=since)

        asks = [partial(of_source, *one) for one in zip(those, links, strict=True)]
        *told, here = side_by_side.answers([*asks, of_target])
        there = merged.fingerprints(told)
        found = [one for one in differences(there, here, ("source", "target")) if one.kind != NEXT]
        if not found:
            proven.keep(context, places, there)
        with connection.session(target) as link:
            return [_told(one, _of(those, links, one), link, there) for one in found]


def _of(
    those: Sequence[Server], links: Sequence[list[connection.Session]], one: Difference
) -> connection.Session:
    """A session with the server that has what *one* is about."""
    owns = (of[0] for server, of in zip(those, links, strict=True) if server.own({one.name: one}))
    return next(owns, links[0][0])


def _told(
    one: Difference, source: connection.Session, target: connection.Session, there: Fingerprint
) -> str:
    """A difference for people, with the rows that it is about."""
    if one.kind not in ROWS:
        return str(one)
    table = connection.quoted(*one.name.split(".", 1))
    definition = there["tables"][one.name]["definition"]
    return f"{one} ({rows.apart(source, target, table, definition)})"
