"""The seed of a replica as dumps: several streams from host to host, all of one instant."""

from migrate.cloud import Context, transfer
from migrate.database import connection
from migrate.errors import StepError
from migrate.onhost import call

LEAST, MOST = 2, 4
PARTS = ("gate", "definitions", "rows", "acting")


def bring(context: Context, names: list[str]) -> None:
    """Import the databases *names*, and have the target know of which place in the log they are."""
    source, target = context.source.database, context.target.database
    transfer.permit(source, databases=names)
    commands = {part: transfer.command(context, target, source, part, *names) for part in PARTS}
    found = call(target, "seed.bring", commands, names, _ways(context), timeout=transfer.DAY)
    if found["wrong"]:
        raise StepError(
            f"the copy from {source.name} to {target.name} is not whole, nothing of it counts: "
            f"{found['wrong']}"
        )
    with connection.session(target) as link:
        connection.rows(link, "SET GLOBAL gtid_slave_pos = %s", gtid(context, found["place"]))


def gtid(context: Context, place: str) -> str:
    """The source's position at *place*, e.g. "binlog.000001 1138"; StepError where it forgot it."""
    source = context.source.database
    name, _, offset = place.rpartition(" ")
    with connection.session(source) as link:
        found = connection.value(link, "SELECT BINLOG_GTID_POS(%s, %s)", name, int(offset))
    if not found:
        raise StepError(
            f"{source.name}: its binary log of when the copy began ({name}) is removed already; "
            "let it keep its logs for longer (expire_logs_days)"
        )
    return str(found)


def _ways(context: Context) -> int:
    """As many as the weaker of both hosts has processors, within bounds."""
    hosts = (context.source.database, context.target.database)
    return max(LEAST, min(MOST, *(int(host.run("nproc")) for host in hosts)))
