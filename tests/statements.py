"""Statements of a test, to a host's database as its root."""

from migrate.cloud.host import Host
from migrate.database import connection
from migrate.errors import MigrateError


def sql(host: Host, *statements: str) -> list[connection.Row]:
    """The rows of the last."""
    with connection.session(host) as link:
        return [connection.rows(link, one) for one in statements][-1]


def answers(host: Host) -> bool:
    try:
        return bool(sql(host, "SELECT 1"))
    except MigrateError:
        return False
