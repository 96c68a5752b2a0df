"""The fingerprint taken at the fence: kept on the source too, so that any machine can go back."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from migrate.cloud import Context, side_by_side
from migrate.cloud.host import Host
from migrate.database import connection, merged, servers
from migrate.database.difference import Difference, differences
from migrate.database.fingerprint import (
    KNOWN,
    Fingerprint,
    Since,
    digest,
    fingerprint,
    listed,
    measured,
)
from migrate.database.replication import log, proven
from migrate.database.replication.log import Place
from migrate.database.servers import Server
from migrate.database.service_databases import known, known_logins
from migrate.engine import state_directory
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call

# what was taken; its digest, and the fencing under which it was taken; what was read of it later
RECORD, NAME, LATER = RECORDS = "fingerprint", "fingerprint-name", "fingerprint-whole"


@dataclass(frozen=True, slots=True)
class Fenced:
    """`since` is what was known for `fingerprint` by an earlier proof; None where all was read."""

    fingerprint: Fingerprint
    since: Since | None


def of(
    context: Context, host: Host, socket: str = connection.SOCKET, since: Since | None = None
) -> Fingerprint:
    """The fingerprint of the source's databases and accounts as *host*'s server has them."""
    names = (one.name for one in known(context))
    users = (one.user for one in known_logins(context))
    return fingerprint(host, names, users, socket, since)


def of_source(context: Context, since: Since | None = None) -> Fingerprint:
    """The fingerprint of the source's, each as the server has it that holds it."""

    def one(server: Server) -> Fingerprint:
        return fingerprint(server.host, server.names, server.users, since=since)

    return merged.fingerprints(side_by_side.each(one, servers.of(context)))


def take(context: Context, *, whole: bool = False) -> None:
    """Fingerprint the fenced source and keep it here and there.

    Where the target has followed until now, what was proven equal before is not read again, but for
    the rows that the binary log names since; all is read if *whole*.
    """
    source = context.source.database
    for server in servers.of(context):
        if not read_only(server.host):
            raise PreconditionError(
                f"{server.host.name}: its database takes writes; a fingerprint is only taken at "
                "the fence"
            )
    places, since = _places(context), None
    if places and not whole and proven.arrived(context, places):
        since = proven.since(context, places)
    taken = of_source(context, since)
    if missing := sorted({one.name for one in known(context)} - set(taken["databases"])):
        raise PreconditionError(f"{source.name} has no database {', '.join(missing)}")
    record: dict[str, Any] = {"fingerprint": taken}
    if since and places:
        record["since"] = {
            "carried": _known(since),
            "keys": since.keys,
            "places": log.kept(places),
        }
    for host in _beside(context):  # each has a fencing of its own: the first alone would not tell
        call(host, "baseline.keep", RECORD, {"kept by": source.name}, NAME, digest(taken), LATER)
    call(source, "baseline.keep", RECORD, record, NAME, digest(taken), LATER)
    state_directory.record(context.home / "fingerprint.json", taken)


def _record(context: Context) -> dict[str, Any] | None:
    found: dict[str, Any] | None = call(context.source.database, "record.load", RECORD)
    return found


def _known(since: Since) -> dict[str, dict[str, Any]]:
    return {
        name: {what: table[what] for what in KNOWN if what in table}
        for name, table in since.carried.items()
    }


def _since(record: dict[str, Any] | None) -> Since | None:
    kept = (record or {}).get("since")
    return kept and Since(kept["carried"], kept["keys"])


def kept(context: Context) -> Fingerprint | None:
    """The fingerprint taken at the fence, as the source keeps it; None where none was taken."""
    found = _record(context)
    return found and found["fingerprint"]


def fenced(context: Context) -> Fenced:
    """The same, and what it rests on; StepError where none was taken."""
    record = _record(context)
    if record is None:
        raise StepError("the source has no fingerprint of its fence; take it first")
    return Fenced(record["fingerprint"], _since(record))


def name(context: Context) -> str:
    """The digest that names the fenced data; "" where none was taken under this very fence."""
    those = (context.source.database, *_beside(context))
    found = {str(call(host, "baseline.name", NAME)) for host in those}
    return found.pop() if len(found) == 1 else ""


def _beside(context: Context) -> list[Host]:
    """The source's other servers, beside that which keeps what was taken."""
    first = context.source.database
    return [one.host for one in servers.of(context) if one.host is not first]


def taken(context: Context) -> bool:
    """Whether the fence now in force has its fingerprint."""
    return bool(name(context)) and _fenced(context)


def _fenced(context: Context) -> bool:
    return all(read_only(server.host) for server in servers.of(context))


def current(context: Context) -> str:
    """The digest that names the fenced data; StepError before the fingerprint was taken."""
    found = name(context)
    if not found:
        raise StepError("the source has no fingerprint of its fence; take it first")
    return found


def lift(context: Context) -> None:
    """Compare the fenced source a last time, then drop its fingerprint.

    A source that takes writes again (its timer reopened it) moves on by right: nothing to compare.
    """
    source = context.source.database
    stands = kept(context) is not None and _fenced(context)
    if stands and (found := source_equals_fence(context)):
        raise StepError(
            f"{source.name}: data is not what it was at the fence, no unit was started: "
            + "; ".join(str(one) for one in found[:20])
        )
    # wherever there may be one: a way back must not need the services' files for it
    for host in {*context.source.databases, context.source.tools, source}:
        for one in RECORDS:
            call(host, "record.forget", one)
    state_directory.forget(context.home / "fingerprint.json")


def source_equals_fence(context: Context) -> list[Difference]:
    """What changed on the source since it was fenced; [] also where no fingerprint was taken.

    For the way back, before any unit of the source starts.
    """
    record = _record(context)
    if record is None:
        return []
    fenced, since = record["fingerprint"], _since(record)
    if since is None:
        return differences(fenced, of_source(context), ("fence", "source now"))
    fenced = _with_later(context, fenced)
    # all is read but tables whose sum is of before the proof; the log says whether those are as
    # they were, too
    named = _resting(fenced, since)
    found = differences(
        fenced, of_source(context, Since(named, since.keys)), ("fence", "source now")
    )
    if not named:
        return found
    wrote = _wrote(context, record)
    if wrote is None:
        text = "does not tell any more whether they were written to since the fence"
        return [*found, Difference("binary log", ", ".join(sorted(named)), text)]
    told = sorted(named.keys() & wrote)
    return [*found, *(Difference("rows", name, "written to since the fence") for name in told)]


def _wrote(context: Context, record: Mapping[str, Any]) -> set[str] | None:
    """Tables that were written to since the fence; None where a log does not tell."""
    since, places = record["since"], _places(context)
    first = context.source.database.name
    # "place" is of a program that knew one server
    begun = log.read(since["places"] if "places" in since else {first: since["place"]})
    found: set[str] = set()
    for server in servers.of(context):
        name = server.host.name
        if name not in places or name not in begun:
            return None
        tables = server.own(record["fingerprint"]["tables"])
        wrote = log.named(server.host, tables, begun[name], places[name], sure=False)
        if wrote is None:
            return None
        found |= wrote.keys()
    return found


def take_later(context: Context) -> None:
    """Read whole what the fingerprint took from an earlier proof, once the window is over.

    The way back compares with it, and asks no log, which may be purged by then. Of a table that was
    written to since the fence nothing is kept: there the log is asked, and tells it.
    """
    source, record = context.source.database, _record(context) or {}
    since, fenced = _since(record), record.get("fingerprint", {})
    if since is None or not (resting := _resting(fenced, since)):
        return
    whole: dict[str, Any] = {}
    again: dict[str, Any] = {}
    for server in servers.of(context):
        opened = partial(connection.session, server.host)
        with opened() as link:
            every = listed(link, [*server.names])
        tables = [one for one in every if f"{one[0]}.{one[1]}" in resting]
        whole |= measured(opened, tables, Since({}, {}))
        again |= measured(opened, tables, Since(resting, since.keys))
    # last: it holds for all that was read before
    wrote = _wrote(context, record)
    same = [name for name, one in again.items() if one == fenced["tables"][name]]
    kept = {name: whole[name] for name in same if wrote is not None and name not in wrote}
    call(source, "record.save", LATER, {"of": digest(fenced), "tables": kept})


def taken_later(context: Context) -> bool:
    """Whether that was done; also where nothing rests on a proof, or nothing is fenced any more."""
    record = _record(context) if name(context) else None
    since = _since(record)
    if record is None or since is None or not _resting(record["fingerprint"], since):
        return True
    return _later(context, record["fingerprint"]) is not None


def _resting(fenced: Fingerprint, since: Since) -> dict[str, Mapping[str, Any]]:
    """Tables whose sum in *fenced* is of before the proof; rows that came later have theirs."""
    tables = fenced["tables"]
    return {name: one for name, one in since.carried.items() if "named" in tables[name]}


def _later(context: Context, fenced: Fingerprint) -> dict[str, Any] | None:
    """What was read later of *fenced*, by table; None where it was not yet."""
    found = call(context.source.database, "record.load", LATER)
    return found["tables"] if found and found["of"] == digest(fenced) else None


def _with_later(context: Context, fenced: Fingerprint) -> Fingerprint:
    later = _later(context, fenced) or {}
    return {**fenced, "tables": {**fenced["tables"], **later}}


def _places(context: Context) -> dict[str, Place]:
    """The end of each server's binary log, by its host's name; {} where one has none."""
    found = {one.host.name: _place(one.host) for one in servers.of(context)}
    places = {name: place for name, place in found.items() if place}
    return places if len(places) == len(found) else {}


def _place(source: Host) -> Place | None:
    """The end of *source*'s binary log; None where it has none."""
    with connection.session(source) as link:
        return log.now(link) if connection.value(link, "SELECT @@global.log_bin") else None


def read_only(host: Host) -> bool:
    """Whether *host*'s database refuses the services' writes."""
    with connection.session(host) as link:
        return bool(connection.value(link, "SELECT @@global.read_only"))
