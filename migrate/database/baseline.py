"""The fingerprint taken at the fence: kept on the source too, so that any machine can go back."""

from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.difference import Difference, differences
from migrate.database.fingerprint import Fingerprint, digest, fingerprint
from migrate.database.service_databases import known, known_logins
from migrate.engine import markers, state_directory
from migrate.errors import PreconditionError, StepError
from migrate.onhost import call

# what was taken; its digest, and the fencing under which it was taken
RECORD, NAME = RECORDS = "fingerprint", "fingerprint-name"


def of(context: Context, host: Host, socket: str = connection.SOCKET) -> Fingerprint:
    """The fingerprint of the source's databases and accounts as *host*'s server has them."""
    names = (one.name for one in known(context))
    return fingerprint(host, names, (one.user for one in known_logins(context)), socket)


def take(context: Context) -> None:
    """Fingerprint the fenced source and keep it here and there."""
    source = context.source.database
    if not read_only(source):
        raise PreconditionError(
            f"{source.name}: its database takes writes; a fingerprint is only taken at the fence"
        )
    taken = of(context, source)
    if missing := sorted({one.name for one in known(context)} - set(taken["databases"])):
        raise PreconditionError(f"{source.name} has no database {', '.join(missing)}")
    call(source, "record.save", RECORD, {"fingerprint": taken})
    called = {"digest": digest(taken), "fencing": markers.fencing(context)}
    call(source, "record.save", NAME, called)
    state_directory.record(context.home / "fingerprint.json", taken)


def kept(context: Context) -> Fingerprint | None:
    """The fingerprint taken at the fence, as the source keeps it; None where none was taken."""
    found: dict[str, Any] | None = call(context.source.database, "record.load", RECORD)
    return found and found["fingerprint"]


def required(context: Context) -> Fingerprint:
    """The same; StepError where none was taken."""
    found = kept(context)
    if found is None:
        raise StepError("the source has no fingerprint of its fence; take it first")
    return found


def name(context: Context) -> str:
    """The digest that names the fenced data; "" where none was taken under this very fence."""
    return str(call(context.source.database, "baseline.name", NAME))


def taken(context: Context) -> bool:
    """Whether the fence now in force has its fingerprint."""
    return bool(name(context)) and read_only(context.source.database)


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
    stands = kept(context) is not None and read_only(source)
    if stands and (found := source_equals_fence(context)):
        raise StepError(
            f"{source.name}: data is not what it was at the fence, no unit was started: "
            + "; ".join(str(one) for one in found[:20])
        )
    for one in RECORDS:
        call(source, "record.forget", one)
    state_directory.forget(context.home / "fingerprint.json")


def source_equals_fence(context: Context) -> list[Difference]:
    """What changed on the source since it was fenced; [] also where no fingerprint was taken.

    For the way back, before any unit of the source starts.
    """
    fenced = kept(context)
    if fenced is None:
        return []
    return differences(fenced, of(context, context.source.database), ("fence", "source now"))


def read_only(host: Host) -> bool:
    """Whether *host*'s database refuses the services' writes."""
    with connection.session(host) as link:
        return bool(connection.value(link, "SELECT @@global.read_only"))
