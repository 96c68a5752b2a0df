"""Accounts, roles and plugins as the servers tell them, and whom an account lets in."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from migrate.checks.sql import Database, session
from migrate.cloud import Context
from migrate.cloud.hosts import call_each
from migrate.onhost import call

PUBLIC = "PUBLIC"
VIA = re.compile(r" (?:VIA|OR) (\w+)")


@dataclass(frozen=True, slots=True)
class Role:
    """A role and what it is granted."""

    name: str
    grants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Account:
    """One account. `create` holds the password's hash: it is compared, never shown."""

    user: str
    host: str
    create: str
    grants: tuple[str, ...]
    roles: tuple[Role, ...] = ()

    def __repr__(self) -> str:
        return f"Account({self.name})"

    @property
    def name(self) -> str:
        return f"'{self.user}'@'{self.host}'"

    @cached_property
    def plugins(self) -> tuple[str, ...]:
        """The authentication plugins that it names; the native one goes without saying."""
        return tuple(VIA.findall(self.create))

    @property
    def rights(self) -> tuple[str, frozenset[str]]:
        """Its login and grants, without its name."""
        here = re.compile(rf"[`']{re.escape(self.user)}[`']@[`']{re.escape(self.host)}[`']")
        login = here.sub("", self.create)
        return login, frozenset(here.sub("", grant) for grant in self.grants)


def accounts(database: Database, users: Iterable[str]) -> list[Account]:
    """Every account of *users*, with the roles that it may take."""
    names = sorted(users)
    marks = ", ".join(["%s"] * len(names))
    mapping: dict[tuple[str, str], list[str]] = {}
    for row in database.rows("SELECT user, host, role FROM mysql.roles_mapping"):
        mapping.setdefault((row["user"], row["host"]), []).append(row["role"])
    found = []
    for row in database.rows(
        f"SELECT user, host FROM mysql.user WHERE user IN ({marks}) AND is_role = 'N' "  # noqa: S608
        "ORDER BY user, host",
        names,
    ):
        user, host = row["user"], row["host"]
        create = str(database.value("SHOW CREATE USER %s@%s", [user, host]))
        grants = _grants(database, "SHOW GRANTS FOR %s@%s", [user, host])
        roles = tuple(role(database, one) for one in _taken(mapping, (user, host)))
        found.append(Account(user, host, create, grants, roles))
    return found


def role(database: Database, name: str) -> Role:
    """Role *name*, PUBLIC too; without grants where it is not there."""
    if not database.value("SELECT count(*) FROM mysql.global_priv WHERE user = %s", [name]):
        return Role(name)
    statement = "SHOW GRANTS FOR PUBLIC" if name == PUBLIC else "SHOW GRANTS FOR %s"
    return Role(name, _grants(database, statement, [] if name == PUBLIC else [name]))


def _grants(database: Database, statement: str, values: list[str]) -> tuple[str, ...]:
    """As the server says them, without hashes of passwords."""
    told = (str(next(iter(row.values()))) for row in database.rows(statement, values))
    return tuple(re.sub(r" IDENTIFIED (BY|VIA) .*", "", one) for one in told)


def _taken(mapping: dict[tuple[str, str], list[str]], who: tuple[str, str]) -> list[str]:
    """The roles that *who* may take, those of its roles too."""
    found: list[str] = []
    waiting = [who]
    while waiting:
        for name in mapping.get(waiting.pop(), []):
            if name not in found:
                found.append(name)
                waiting.append((name, ""))
    return sorted(found)


def plugins(context: Context) -> frozenset[str]:
    """The authentication plugins that are active on the target's server."""
    with session(context.target.database) as database:
        rows = database.rows(
            "SELECT plugin_name FROM information_schema.plugins "
            "WHERE plugin_type = 'AUTHENTICATION' AND plugin_status = 'ACTIVE'"
        )
    return frozenset(str(row["plugin_name"]) for row in rows)


def clients(context: Context, names: list[str]) -> dict[str, tuple[str, ...]]:
    """From where services of the target log in when their URL names each of *names*.

    Who connects to an address of his own host comes from that address; the holder carries the
    virtual IP. A database's own host is the target's holder there.
    """
    source, holder = context.source.tools, context.target.holder
    more = [host for host in context.target.controllers if host.address != holder.address]
    resolved: dict[str, list[str]] = call(source, "addresses.resolved", names)
    virtual = {str(one.address) for one in context.source.virtual_ips}
    told = call_each((source, *context.source.databases), "addresses.own")
    own = {address for each in told for address in each} - virtual
    found: dict[str, tuple[str, ...]] = {}
    for name, addresses in resolved.items():
        address = next(iter(addresses), "")
        if address in virtual:
            found[name] = (address, *(host.address for host in more))
        elif address in own:
            found[name] = (holder.address, *(host.address for host in more))
        else:  # its own loopback; another server's is told by others
            found[name] = (address,) if address.startswith("127.") else ()
    return found


def admitting(held: Iterable[Account], address: str) -> Account | None:
    """The account that lets in who comes from *address*: the most specific one that does.

    The target's server resolves no names, so an account for a name lets nobody in.
    """
    found = [account for account in held if _admits(account.host, address)]
    return max(found, key=lambda account: _specific(account.host), default=None)


def _admits(host: str, address: str) -> bool:
    if "/" in host:
        try:
            return IPv4Address(address) in IPv4Network(host, strict=False)
        except (AddressValueError, NetmaskValueError, ValueError):
            return False
    pattern = "".join({"%": ".*", "_": "."}.get(one, re.escape(one)) for one in host or "%")
    return re.fullmatch(pattern, address) is not None


def _specific(host: str) -> tuple[int, int]:
    """Higher for who is let in before another."""
    if "/" in host:
        return 1, IPv4Network(host, strict=False).prefixlen
    literal = re.split(r"[%_]", host)[0]
    return (2, 0) if literal == host and host else (0, len(literal))
