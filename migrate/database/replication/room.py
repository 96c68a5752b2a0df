"""Room on the source's disk: where too little is left, no replica of ours holds its binary logs.

Who serves the source's socket looks at it all the time (`onhost/serve.py`), also when no command
runs; this is the same question, asked before.
"""

from pathlib import Path

from migrate.cloud import Context
from migrate.database import connection
from migrate.errors import PreconditionError
from migrate.onhost import call


def folders(context: Context) -> list[str]:
    """Where the source's server keeps its data and its binary logs."""
    with connection.session(context.source.database) as link:
        data, logs = connection.rows(link, "SELECT @@datadir, @@global.log_bin_basename")[0]
    return sorted({str(Path(data)), str(Path(logs).parent)})


def refuse_without(context: Context) -> None:
    """PreconditionError where the source would send nothing."""
    source = context.source.database
    if said := call(source, "serve.short", folders(context)):
        raise PreconditionError(
            f"{source.name}: {said}: free some, or let its server keep its binary logs for less "
            "time (expire_logs_days)"
        )
