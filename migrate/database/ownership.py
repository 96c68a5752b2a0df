"""What on the target's server is ours: claimed before it is made, refused where it is another's."""

from typing import Any

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import accounts, clone, connection, merged, progress, servers, settings
from migrate.database.fingerprint import Fingerprint
from migrate.engine import markers
from migrate.errors import PreconditionError
from migrate.onhost import call

RECORD = "copy"
OPTIONS = "/etc/mysql/mariadb.conf.d/80-sidestep-source.cnf"
SYSTEM = frozenset({"information_schema", "mysql", "performance_schema", "sys", "test"})


def settle(link: connection.Session, context: Context, names: list[str]) -> list[accounts.Account]:
    """Claim the target's server and give it the source's settings and the services' accounts.

    The accounts are given back: they have no rights before the data is there.
    """
    target, parts, who = context.target.database, [], []
    for server in servers.of(context):
        with connection.session(server.host) as other:
            who.append(connection.identity(other))
            parts.append(servers.part(other, server.host.name, server.names, server.users))
    carried, wanted = merged.accounts(parts), parts[0].settings
    prove_other(link, target, who)
    claim(link, target, merged.LINES.join(who), names, [account.name for account in carried])
    target.write(OPTIONS, settings.option_file(wanted), mode=0o644)
    settings.apply(link, wanted)
    accounts.create(link, carried)
    return carried


def settled(record: dict[str, Any], fenced: Fingerprint, held: Fingerprint) -> bool:
    """Whether *record* claims the target for all of *fenced*, with its accounts and settings."""
    if held["server"] in fenced["server"].split(merged.LINES):
        return False  # and `settle` refuses it
    claimed = set(fenced["databases"]) <= set(record["databases"])
    return claimed and all(fenced[kind] == held[kind] for kind in ("accounts", "settings"))


def of_source(context: Context) -> list[str]:
    """The identities of the source's servers."""
    found = []
    for server in servers.of(context):
        with connection.session(server.host) as link:
            found.append(connection.identity(link))
    return found


def prove_other(link: connection.Session, target: Host, of_source: list[str]) -> None:
    """Refuse to act on a "target" that is one of the source's own servers."""
    if connection.identity(link) in of_source:
        raise PreconditionError(
            f"{target.name}: its database is the source's own server; nothing was done"
        )


def claim(
    link: connection.Session, target: Host, source: str, names: list[str], users: list[str]
) -> None:
    """Record on the target what will be ours; refuse where it holds what we did not bring."""
    record = recorded(target)
    held = {str(row[0]) for row in connection.rows(link, "SHOW DATABASES")}
    foreign = held - SYSTEM - {progress.SCHEMA, markers.SCHEMA} - set(record["databases"])
    logins = {
        str(row[0])
        for row in connection.rows(
            link, "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE is_role = 'N'"
        )
    }
    strangers = (logins & set(users)) - set(record["accounts"])
    if foreign or strangers:
        raise PreconditionError(
            f"{target.name}: its database already holds {', '.join(sorted(foreign | strangers))}, "
            "which this program did not bring; look whose it is, and remove it if it is nobody's"
        )
    record = {
        "source": source,
        "databases": sorted({*record["databases"], *names}),
        "accounts": sorted({*record["accounts"], *users}),
        "settings": record["settings"] or settings.read(link),
    }
    call(target, "record.save", RECORD, record)


def recorded(target: Host) -> dict[str, Any]:
    """What is recorded as ours on the target; empty lists where nothing is."""
    empty = {"source": "", "databases": [], "accounts": [], "settings": {}}
    return dict(call(target, "record.load", RECORD) or empty)


def empty(link: connection.Session, record: dict[str, Any]) -> None:
    """Drop the databases that are ours."""
    for name in record["databases"]:
        connection.rows(link, f"DROP DATABASE IF EXISTS {connection.quoted(name)}")


def discard(context: Context) -> None:
    """Take from the target all that the copy brought, settings too; never from the source."""
    target = context.target.database
    clone.remove(target)  # of a rehearsal that was killed
    call(target, "server_swap.put_back", timeout=1800)  # of a seed
    record = recorded(target)
    if record["source"]:
        markers.unmark(context, markers.COPIED)
        who = [*record["source"].split(merged.LINES), *of_source(context)]
        with connection.session(target) as link:
            prove_other(link, target, who)
            progress.clear(link)
            empty(link, record)
            connection.rows(link, "SET GLOBAL gtid_slave_pos = ''")
            accounts.drop(link, record["accounts"])
            settings.apply(link, record["settings"])
    target.run("rm", "-f", "--", OPTIONS)
    call(target, "record.forget", RECORD)
