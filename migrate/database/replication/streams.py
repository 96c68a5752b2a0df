"""The seed of a replica as dumps: several streams from host to host, all of one instant."""

from migrate.cloud import Context, transfer
from migrate.cloud.host import Host
from migrate.database import connection, servers
from migrate.errors import StepError
from migrate.onhost import call

LEAST, MOST = 2, 4
PARTS = ("gate", "definitions", "rows", "acting")


def bring(context: Context) -> None:
    """Import the databases, and have the target know of which place in each log they are.

    One server after the other: commits wait on one at a time, and the link is the same.
    """
    places = [_bring(context, server.host, [*server.names]) for server in servers.of(context)]
    with connection.session(context.target.database) as link:
        connection.rows(link, "SET GLOBAL gtid_slave_pos = %s", ",".join(places))


def _bring(context: Context, source: Host, names: list[str]) -> str:
    """Import the databases *names* of *source*; the place in its log that they are of."""
    target = context.target.database
    transfer.permit(source, databases=names)
    commands = {part: transfer.command(context, target, source, part, *names) for part in PARTS}
    found = call(target, "seed.bring", commands, names, _ways(source, target), timeout=transfer.DAY)
    if found["wrong"]:
        raise StepError(
            f"the copy from {source.name} to {target.name} is not whole, nothing of it counts: "
            f"{found['wrong']}"
        )
    return gtid(source, found["place"])


def gtid(source: Host, place: str) -> str:
    """*source*'s position at *place*, e.g. "binlog.000001 1138"; StepError where it forgot it."""
    name, _, offset = place.rpartition(" ")
    with connection.session(source) as link:
        found = connection.value(link, "SELECT BINLOG_GTID_POS(%s, %s)", name, int(offset))
    if not found:
        raise StepError(
            f"{source.name}: its binary log of when the copy began ({name}) is removed already; "
            "let it keep its logs for longer (expire_logs_days)"
        )
    return str(found)


def _ways(*hosts: Host) -> int:
    """As many as the weaker of *hosts* has processors, within bounds."""
    return max(LEAST, min(MOST, *(int(host.run("nproc")) for host in hosts)))
