"""The target's connections to the source's servers, each by a way of its own and for its databases.

The first has no name; a server's own word for them is connection, too.
"""

from collections.abc import Iterable, Mapping

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection, servers
from migrate.database.replication import account, state, tunnel
from migrate.database.servers import Server

OPTIONS = "/etc/mysql/mariadb.conf.d/80-sidestep-replica.cnf"
FILTER = "replicate_wild_do_table"
LEAVE = ("STOP SLAVE '{}'", "RESET SLAVE '{}' ALL")
MAKE = f"""CHANGE MASTER %s TO MASTER_HOST='{tunnel.ADDRESS}', MASTER_PORT=%s,
MASTER_USER='{account.USER}', MASTER_PASSWORD=%s, MASTER_USE_GTID=slave_pos, MASTER_SSL=0,
MASTER_SSL_VERIFY_SERVER_CERT=0, MASTER_CONNECT_RETRY=3, MASTER_HEARTBEAT_PERIOD=5"""


def open_all(context: Context) -> None:
    """Make and start them anew, from where the target is."""
    target, those = context.target.database, servers.of(context)
    end(target)
    lines = "".join(
        f"{_prefix(one.connection)}{FILTER} = {name}\n"
        for one in those
        for name in _filter(one).split(",")
    )
    # before there is any: a server that starts goes on with those that it has
    target.write(OPTIONS, f"[mariadbd]\n{lines}", mode=0o644)
    for one in those:
        password, port = account.make(one.host), tunnel.dig(context, one)
        with connection.session(target) as link:
            connection.rows(link, MAKE, one.connection, port, password)
            variable = f"{_prefix(one.connection)}{FILTER}"
            connection.rows(link, f"SET GLOBAL {variable} = %s", _filter(one))
    with connection.session(target) as link:
        connection.several(link, (f"START SLAVE '{one.connection}'" for one in those))


def wanted(context: Context, link: connection.Session, found: Mapping[str, state.Shown]) -> bool:
    """Whether just the servers and databases are followed that are to be; *found* are there."""
    those = {one.connection: one for one in servers.of(context)}
    return those.keys() == found.keys() and all(
        connection.value(link, f"SELECT @@global.{_prefix(name)}{FILTER}") == _filter(one)
        for name, one in those.items()
    )


def leave(link: connection.Session, names: Iterable[str]) -> None:
    """Be done with those of *names*."""
    connection.several(link, (act.format(one) for one in names for act in LEAVE))


def end(target: Host) -> None:
    """Nothing of any is left; safe to repeat."""
    with connection.session(target) as link:
        leave(link, state.read(link))
        connection.rows(link, f"SET GLOBAL {FILTER} = ''")
    target.run("rm", "-f", "--", OPTIONS)
    tunnel.fill_in(target)


def _prefix(name: str) -> str:
    """What stands before a variable of the connection *name*."""
    return f"{name}." if name else ""


def _filter(server: Server) -> str:
    """Its databases, that are followed: by rows and by statements, whoever says them where."""
    return ",".join(f"{name.replace('_', chr(92) + '_')}.%" for name in server.names)
