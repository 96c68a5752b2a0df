"""What commands ask before they begin: is the way legal, does a window stand open."""

from migrate.cloud import Context, releases
from migrate.engine import markers
from migrate.errors import MigrateError
from migrate.onhost import call
from migrate.phases.guard import cutover_begun


def require_path(context: Context) -> None:
    """Refuse a hop that is not supported, with the legal way named (PreconditionError)."""
    releases.require_legal(context.source.release, context.target.release)


def begun(context: Context) -> bool:
    """Whether a window stands open: by the journal, the markers, or what stands on the source.

    Then the source is closed, and the checks would only tell that.
    """
    if cutover_begun(context):
        return True
    try:
        timers = [call(host, "reopen_timer.state") for host in context.source.core]
        return bool(markers.fencing(context)) or any(one["state"] != "absent" for one in timers)
    except MigrateError:
        return False  # the check of the access says it better
