"""Which version nova's services have, by its own databases: no API tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrate.cloud import Context
from migrate.database import connection
from migrate.database.service_databases import service_databases
from migrate.errors import PreconditionError

SERVICES = "SELECT host, `binary`, version FROM {} WHERE deleted = 0"
COMPUTE, CONDUCTOR = "nova-compute", "nova-conductor"


@dataclass(frozen=True, slots=True)
class Versions:
    """`computes` by host; `newest` is the newest conductor's: the target's own."""

    computes: Mapping[str, int]
    newest: int

    @property
    def old(self) -> set[str]:
        """Hosts whose nova-compute is of an older release, in any cell."""
        return {host for host, version in self.computes.items() if version < self.newest}


def read(context: Context) -> Versions:
    """From every cell of the target's database."""
    rows = of_cells(context, SERVICES)
    newest = [int(version) for _, binary, version in rows if binary == CONDUCTOR]
    if not newest:
        raise PreconditionError(
            "no conductor has told the target its version: see nova-conductor there"
        )
    computes = {str(at): int(v) for at, binary, v in rows if binary == COMPUTE}
    return Versions(computes, max(newest))


def of_cells(context: Context, statement: str) -> list[connection.Row]:
    """The rows of *statement* over the services, which are {}, of every cell of the target."""
    nova = [recipe for recipe in context.recipes if recipe.cells]
    host = context.target.database
    databases = service_databases(host, nova, context.installation.tools)
    with connection.session(host) as link:
        return [
            row
            for name in sorted({one.name for one in databases if one.cell})
            for row in connection.rows(link, statement.format(connection.quoted(name, "services")))
        ]
