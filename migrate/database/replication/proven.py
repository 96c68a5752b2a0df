"""At which places in the source's logs both sides were proven equal, as the target keeps it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrate.cloud import Context
from migrate.database import connection, progress, servers
from migrate.database.fingerprint import Fingerprint, Since, digest
from migrate.database.replication import log, state
from migrate.database.replication.log import Place
from migrate.onhost import call

RECORD = "replica-proof"
NOTED = "proof"  # of the copy as it is: gone when that is made anew


@dataclass(frozen=True, slots=True)
class Proof:
    """`fingerprint` is what both sides said at `places`, `at` when, in seconds since 1970.

    There is a place for each of the source's servers, by its host's name.
    """

    places: Mapping[str, Place]
    fingerprint: Fingerprint
    at: float


def keep(context: Context, places: Mapping[str, Place], fingerprint: Fingerprint) -> None:
    """Both sides were equal at *places*."""
    target = context.target.database
    found = {"places": log.kept(places), "fingerprint": fingerprint, "at": time.time()}
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
    if not found or "places" not in found:  # of a program that followed one server alone
        return None
    with connection.session(target) as link:
        stands = progress.noted(link, NOTED, digest(found["fingerprint"]))
        if not stands or progress.ever(link, progress.OWN_WRITES):
            return None
    return Proof(log.read(found["places"]), found["fingerprint"], found["at"])


def since(context: Context, places: Mapping[str, Place]) -> Since | None:
    """What is known of both sides at *places*; None where all must be read."""
    found = proof(context)
    if not found or found.places.keys() != places.keys():
        return None
    told = []
    for server in servers.of(context):
        name, tables = server.host.name, server.own(found.fingerprint["tables"])
        told.append(log.since(server.host, tables, found.places[name], places[name]))
    parts = [one for one in told if one]
    if not parts:
        return None
    carried = {name: table for one in parts for name, table in one.carried.items()}
    return Since(carried, {name: keys for one in parts for name, keys in one.keys.items()})


def arrived(context: Context, places: Mapping[str, Place]) -> bool:
    """Whether the target has all of the source's logs before *places*."""
    with connection.session(context.target.database) as link:
        return state.reaches(link, ",".join(one.gtid for one in places.values()), 0)
