"""The services' database accounts: found, described without secrets, and carried with hashes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from migrate.database import connection
from migrate.errors import PreconditionError

PASSWORD = re.compile(r" IDENTIFIED BY PASSWORD '[^']*'")
ROLE = re.compile(r"^GRANT (?!.* ON ).*$", re.DOTALL)
COLUMNS = re.compile(r"\((`[^)]*`)\)")  # a server shows them in the order of its own memory
SYSTEM = frozenset({"root", "mysql", "mariadb.sys", "PUBLIC", ""})


@dataclass(frozen=True, slots=True)
class Account:
    """`name` is `'nova'@'%'`; `create` and `grants` are the server's own statements.

    `create` holds the password's hash: it is executed, never shown or stored.
    """

    name: str
    create: str
    grants: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Account({self.name})"

    def described(self) -> dict[str, object]:
        """What a fingerprint may hold: `{"login": digest, "grants": [...]}`."""
        return {
            "login": sha256(self.create.encode()).hexdigest(),
            "grants": sorted(map(ordered, self.grants)),
        }


def ordered(grant: str) -> str:
    """*grant* with the columns that it names in one order."""
    return COLUMNS.sub(_in_order, grant)


def _in_order(columns: re.Match[str]) -> str:
    return f"({', '.join(sorted(columns[1].split(', ')))})"


def accounts(link: connection.Session, users: Iterable[str]) -> list[Account]:
    """Every account of *users*, from any host, as this server knows it."""
    names = sorted(set(users) - SYSTEM)
    found = connection.rows(
        link,
        "SELECT user, host, CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user"  # noqa: S608
        f" WHERE user IN ({connection.marks(names)}) ORDER BY user, host",
        *names,
    )
    result = []
    for user, host, shown in found:
        create = connection.value(link, "SHOW CREATE USER %s@%s", user, host)
        grants = [r[0] for r in connection.rows(link, "SHOW GRANTS FOR %s@%s", user, host)]
        result.append(Account(shown, create, tuple(PASSWORD.sub("", grant) for grant in grants)))
    return result


def create(link: connection.Session, carried: Iterable[Account]) -> None:
    """Make the accounts of another server here, with the same password hashes and no rights yet.

    No clear text is in the statements, nor in the binary log. Before the data: views, triggers and
    routines name accounts as their definers.
    """
    carried = list(carried)
    if roles := [a.name for a in carried for grant in a.grants if ROLE.match(grant)]:
        raise PreconditionError(
            f"the accounts {', '.join(roles)} get rights by a role, which is not carried; "
            "grant the rights to the accounts themselves"
        )
    for account in carried:
        connection.rows(link, f"DROP USER IF EXISTS {account.name}")
        connection.rows(link, account.create)


def grant(link: connection.Session, carried: Iterable[Account]) -> None:
    """Give them their rights; after the data, for rights on a table need the table."""
    for account in carried:
        for statement in account.grants:
            connection.rows(link, statement)


def drop(link: connection.Session, names: Iterable[str]) -> None:
    """Remove the accounts *names* (quoted as the server quotes them), where they are."""
    for name in names:
        connection.rows(link, f"DROP USER IF EXISTS {name}")
