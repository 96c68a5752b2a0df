"""Records of services that are of an older release: with them the target's would not start.

Where a service keeps them, and which are too old, its recipe says.
"""

from migrate.checks.sql import session
from migrate.cloud import Context, releases
from migrate.database.connection import quoted
from migrate.database.holders import each_server
from migrate.database.service_databases import service_databases
from migrate.engine.finding import Finding, error


def run(context: Context) -> list[Finding]:
    """Records that are too old, of nova in every cell."""
    release, told = context.target.release, []
    databases = service_databases(context.source, context.recipes)
    for host, own in each_server(context.source, databases):
        with session(host) as link:
            found = [
                problem
                for one in (recipe.oldest for recipe in context.recipes if recipe.oldest)
                for database in own
                if database.usual == one.database
                for problem in one.judge(
                    link.rows(one.query.format(d=quoted(database.name))), release, least(release)
                )
            ]
        told += [error(*one, host.name) for one in dict.fromkeys(found)]
    return told


def least(release: str) -> int:
    """The level of the oldest nova-compute that *release* starts with; 0 where nobody knows it."""
    known = releases.known()
    oldest = next((one.oldest_compute for one in known if one.id == release), None)
    return next((one.compute_level or 0 for one in known if one.name == oldest), 0)
