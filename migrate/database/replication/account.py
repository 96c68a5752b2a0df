"""The account by which the target reads the source's binary log: made for it alone, removed.

It is not in the source's binary log, so that neither our replica nor one of the operator's has it.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1

from migrate.cloud.host import Host
from migrate.database import connection
from migrate.errors import PreconditionError
from migrate.onhost import call

USER, FROM = "sidestep_replica", "localhost"  # its sessions come by the server's own unix socket
RECORD = "replica-account"


def make(source: Host) -> str:
    """Make it anew and give its password; PreconditionError where one not of ours is called so."""
    password = secrets.token_hex(16)
    with connection.session(source) as link:
        if _there(link) and not call(source, "record.load", RECORD):
            raise PreconditionError(
                f"{source.name}: its database has an account {USER}, which this program did not "
                "make; look whose it is, and remove it if it is nobody's"
            )
        call(source, "record.save", RECORD, {"user": USER})
        with _unlogged(link):
            made = f"CREATE OR REPLACE USER {USER}@{FROM} IDENTIFIED VIA mysql_native_password"
            connection.rows(link, f"{made} USING %s", _hashed(password))
            connection.rows(link, f"GRANT REPLICATION SLAVE ON *.* TO {USER}@{FROM}")
    return password


def remove(source: Host) -> None:
    """Nothing of it is left; safe to repeat."""
    if not call(source, "record.load", RECORD):
        return
    with connection.session(source) as link, _unlogged(link):
        connection.rows(link, f"DROP USER IF EXISTS {USER}@{FROM}")
    call(source, "record.forget", RECORD)


def left(source: Host) -> list[str]:
    """A line where it is there still."""
    with connection.session(source) as link:
        return [f"database account {USER}"] if _there(link) else []


def _there(link: connection.Session) -> bool:
    return bool(connection.value(link, "SELECT COUNT(*) FROM mysql.user WHERE user = %s", USER))


def _hashed(password: str) -> str:
    """As mysql_native_password keeps it: a server's logs have no clear text then."""
    return "*" + sha1(sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324


@contextmanager
def _unlogged(link: connection.Session) -> Iterator[None]:
    connection.rows(link, "SET SESSION sql_log_bin = 0")
    try:
        yield
    finally:  # the session is the next one's
        connection.rows(link, "SET SESSION sql_log_bin = 1")
