"""The proof that the copy is the fenced source, and that there was something to compare."""

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import baseline, connection, progress
from migrate.database.difference import differences
from migrate.database.fingerprint import Fingerprint, digest
from migrate.errors import StepError


def prove(context: Context) -> None:
    """Prove the copy equal to the fenced source, or raise StepError naming what is not."""
    fenced = baseline.fenced(context)
    target = context.target.database
    # of the target only what was read of the source
    held = baseline.of(context, target, since=fenced.since)
    prove_equal(target, fenced.fingerprint, held)
    with connection.session(target) as link:
        progress.note(link, "compare", digest(fenced.fingerprint))


def forget(context: Context) -> None:
    """Forget the proof."""
    with connection.session(context.target.database) as link:
        progress.forget(link, "compare")


def prove_equal(target: Host, fenced: Fingerprint, copied: Fingerprint) -> None:
    """Raise StepError with what differs."""
    if found := differences(fenced, copied, ("source", "target")):
        raise StepError(
            f"{target.name}: the copy is not the source: "
            + "; ".join(str(difference) for difference in found[:20])
            + (f"; and {len(found) - 20} more" if len(found) > 20 else "")
        )
