"""A root session in a host's MariaDB by ssh and its unix socket: no password, no open port."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import DictCursor

from migrate.cloud.host import Host
from migrate.errors import PreconditionError, StepError

SOCKET = "/run/mysqld/mysqld.sock"
AT_ONCE = 6
LONGEST = 1800  # seconds for one statement: a checksum of a very large table takes minutes
IDENTIFIER = re.compile(r"[0-9A-Za-z_$-]{1,64}")

Row = tuple[Any, ...]
Session: TypeAlias = "Connection[Any]"


@contextmanager
def session(host: Host, socket: str = SOCKET) -> Iterator[Session]:
    """A session as the database's root; errors inside it become StepError naming the host.

    A few sessions stay open for the next who asks: a new one costs a fifth of a second. Ask for no
    second session on a host while holding one.
    """
    with _GUARD:
        kept = _HOSTS.setdefault(host, {}).setdefault(socket, Kept())
    with kept.places:
        link = kept.take() or _connected(host, socket)
        try:
            yield link
        except pymysql.Error as error:
            _close(link)
            raise StepError(f"{host.name}: MariaDB: {error}") from error
        except BaseException:
            _close(link)
            raise
        kept.put(link)


class Kept:
    """Idle sessions of one host, and how many may be open at once (sshd allows ten streams)."""

    def __init__(self) -> None:
        self.places = threading.BoundedSemaphore(AT_ONCE)
        self._idle: list[Session] = []
        self._lock = threading.Lock()

    def take(self) -> Session | None:
        """One that still answers."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                link = self._idle.pop()
            try:
                link.ping(reconnect=False)
            except (pymysql.Error, OSError, EOFError):
                _close(link)
            else:
                return link

    def put(self, link: Session) -> None:
        with self._lock:
            self._idle.append(link)


_HOSTS: WeakKeyDictionary[Host, dict[str, Kept]] = WeakKeyDictionary()
_GUARD = threading.Lock()


def _connected(host: Host, socket: str) -> Session:
    link: Session = pymysql.connect(
        user="root",
        defer_connect=True,
        ssl_disabled=True,
        charset="utf8mb4",
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
        read_timeout=LONGEST,
    )
    stream = host.unix_stream(socket)
    try:
        link.connect(sock=stream)
    except (pymysql.Error, EOFError) as error:
        stream.close()
        raise PreconditionError(
            f"{host.name}: MariaDB does not let root in on {socket}; is it running? ({error})"
        ) from error
    return link


def _close(link: Session) -> None:
    with suppress(pymysql.Error, OSError, EOFError):
        link.close()


def rows(link: Session, statement: str, *values: object) -> list[Row]:
    """Run one *statement* with bound *values*; all its rows."""
    with link.cursor() as cursor:
        # without values PyMySQL must not look for its own % marks in the statement
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def named(link: Session, statement: str) -> list[dict[str, Any]]:
    """All rows of one *statement*, each by its columns' names."""
    with link.cursor(DictCursor) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def several(link: Session, statements: Iterable[str]) -> list[list[Row]]:
    """Run *statements* in one round trip; the rows of each."""
    text = ";".join(statements)
    if not text:
        return []
    with link.cursor() as cursor:
        cursor.execute(text)
        results = [list(cursor.fetchall())]
        while cursor.nextset():
            results.append(list(cursor.fetchall()))
        return results


def value(link: Session, statement: str, *values: object) -> Any:
    """The only value of *statement*, or None where it has no row."""
    found = rows(link, statement, *values)
    return found[0][0] if found else None


def has_table(link: Session, database: str, table: str) -> bool:
    asked = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s"
    return bool(value(link, f"{asked} AND table_name = %s", database, table))


def quoted(*names: str) -> str:
    """An identifier, `a`.`b` for two; refuses what OpenStack never names a thing."""
    for name in names:
        if not IDENTIFIER.fullmatch(name):
            raise PreconditionError(f"{name!r} is no name that this program handles in a database")
    return ".".join(f"`{name}`" for name in names)


def marks(names: Iterable[object]) -> str:
    """Placeholders for a list of bound values: `%s,%s`; never empty."""
    return ",".join("%s" for _ in names) or "NULL"


def identity(link: Session) -> str:
    """Who the server is: differs between any two servers that run, of one machine or of two.

    The server's own id depends on the machine's hardware address and the port, which a server
    without network shares with others; so the folder of its data is added.
    """
    return str(value(link, identifying(link)))


def identifying(link: Session) -> str:
    """The statement that asks a server of the kind of *link*'s for its identity; any user may."""
    names = {str(row[0]) for row in rows(link, "SHOW GLOBAL VARIABLES LIKE 'server_uid'")}
    own = "@@server_uid" if names else "@@hostname, ' ', @@port"
    return f"SELECT CONCAT({own}, ' ', @@datadir)"
