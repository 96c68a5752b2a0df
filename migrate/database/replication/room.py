"""Room on the source's disk: where too little is left, no replica of ours holds its binary logs.

Who serves the source's socket looks at it all the time (`onhost/serve.py`), also when no command
runs; this is the same question, asked before.
"""

from pathlib import Path

from migrate.cloud.host import Host
from migrate.database import connection
from migrate.errors import PreconditionError
from migrate.onhost import call


def folders(source: Host) -> list[str]:
    """Where *source*'s server keeps its data and its binary logs."""
    with connection.session(source) as link:
        data, logs = connection.rows(link, "SELECT @@datadir, @@global.log_bin_basename")[0]
    return sorted({str(Path(data)), str(Path(logs).parent)})


def refuse_without(source: Host) -> None:
    """PreconditionError where *source* would send nothing."""
    if said := call(source, "serve.short", folders(source)):
        raise PreconditionError(
            f"{source.name}: {said}: free some, or let its server keep its binary logs for less "
            "time (expire_logs_days)"
        )
