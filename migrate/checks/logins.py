"""The services can log in to their databases as their configuration tells them to."""

from migrate.cloud import Context, urls
from migrate.cloud.host import Host
from migrate.database.service_databases import ServiceDatabase, logins
from migrate.engine.finding import Finding, error
from migrate.onhost import call


def run(context: Context) -> list[Finding]:
    """Services that cannot log in to their database as their configuration tells them to."""
    host = context.source.tools
    found = logins(host, context.recipes)
    return [
        error(
            f"{one.project} cannot log in to database {one.name} as {one.user}: {answer}",
            "Correct the URL in the service's configuration, or the account",
            host.name,
        )
        for one, (answer, _) in zip(found, ask(host, found, "SELECT 1"), strict=True)
        if answer
    ]


def ask(host: Host, found: list[ServiceDatabase], statement: str) -> list[tuple[str, str]]:
    """What the server of each database says to its service: the error, and the answer."""
    asked = [urls.parse(one.url).login() | {"database": one.name} for one in found]
    answers = call(host, "logins.ask", asked, statement, timeout=60 + 30 * len(asked))
    return [(error, answer) for error, answer in answers]
