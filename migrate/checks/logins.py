"""The services can log in to their databases as their configuration tells them, on one server."""

from migrate.cloud import Context, urls
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.holders import each_server
from migrate.database.service_databases import ServiceDatabase, logins
from migrate.engine.finding import Finding, error
from migrate.onhost import call


def run(context: Context) -> list[Finding]:
    """Services that cannot log in as their configuration tells them to, or to another server."""
    found = logins(context.source, context.recipes)
    return [one for of in each_server(context.source, found) for one in _to(context, *of)]


def _to(context: Context, server: Host, found: list[ServiceDatabase]) -> list[Finding]:
    """Those of *found*, all of which *server* has, that end elsewhere or nowhere."""
    host = context.source.tools
    with connection.session(server) as link:
        statement, own = connection.identifying(link), connection.identity(link)
    return [
        error(
            f"{one.project} cannot log in to database {one.name} as {one.user}: {wrong}",
            "Correct the URL in the service's configuration, or the account",
            host.name,
        )
        if wrong
        else error(
            f"database {one.name} of {one.project} is on another server than that of "
            f"{server.name}, whose is followed, fenced and moved",
            "Name its host in sidestep:source.databases, beside any other; drop what no service "
            f"uses of {server.name}",
            host.name,
        )
        for one, (wrong, answer) in zip(found, ask(host, found, statement), strict=True)
        if wrong or answer != own
    ]


def ask(host: Host, found: list[ServiceDatabase], statement: str) -> list[tuple[str, str]]:
    """What the server of each database says to its service: the error, and the answer."""
    asked = [urls.parse(one.url).login() | {"database": one.name} for one in found]
    answers = call(host, "logins.ask", asked, statement, timeout=60 + 30 * len(asked))
    return [(error, answer) for error, answer in answers]
