"""Which version nova's services have, and how often they reported, by its own databases."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from migrate.cloud import Context
from migrate.database import connection
from migrate.database.service_databases import service_databases
from migrate.errors import PreconditionError

SERVICES = "SELECT host, `binary`, version FROM {} WHERE deleted = 0"
HEARTBEATS = "SELECT host, `binary`, report_count FROM {} WHERE deleted = 0 AND host = %s"
CELLS = "versions.cells"  # names of their databases, asked once a run
COMPUTE, CONDUCTOR = "nova-compute", "nova-conductor"


@dataclass(frozen=True, slots=True)
class Versions:
    """`computes` by host; `newest` is the newest conductor's: the target's own.

    `cells` are those of hosts, by the names of their databases.
    """

    computes: Mapping[str, int]
    newest: int
    cells: Mapping[str, str] = field(default_factory=dict)

    @property
    def old(self) -> set[str]:
        """Hosts whose nova-compute is of an older release, in any cell."""
        return {host for host, version in self.computes.items() if version < self.newest}

    def lasts(self, chosen: Iterable[str]) -> list[str]:
        """Those of *chosen* that, renewed in this order, leave no host of an older release in
        their cell.
        """
        left = Counter(map(self.cells.get, self.old))
        found = []
        for host in dict.fromkeys(chosen):
            if host in self.old:
                left[cell := self.cells.get(host)] -= 1
                found += [] if left[cell] else [host]
        return found

    def stuck(self, hosts: Iterable[str]) -> list[str]:
        """Those of *hosts* in whose cell no older release is let in any more."""
        open_ = set(map(self.cells.get, self.old))
        return [host for host in hosts if self.cells.get(host) not in open_]


def read(context: Context) -> Versions:
    """From every cell of the target's database."""
    by_cell = each_cell(context, SERVICES)
    rows = [row for found in by_cell.values() for row in found]
    # one that nobody has written since nova began to count has no version
    newest = [int(version) for _, binary, version in rows if binary == CONDUCTOR and version]
    if not newest:
        raise PreconditionError(
            "no conductor has told the target its version: see nova-conductor there"
        )
    computes = {str(at): int(v or 0) for at, binary, v in rows if binary == COMPUTE}
    cells = {
        str(at): cell for cell, found in by_cell.items() for at, what, _ in found if what == COMPUTE
    }
    return Versions(computes, max(newest), cells)


def heartbeats(context: Context, host: str) -> int:
    """How often nova-compute on *host* has reported since its record was made.

    No API tells: `updated_at` is also later once a service that starts has written its version, a
    while before it reports, and `up` may still be the word of the one before it.
    """
    rows = [row for found in each_cell(context, HEARTBEATS, host).values() for row in found]
    return sum(int(count) for at, binary, count in rows if (str(at), binary) == (host, COMPUTE))


def each_cell(context: Context, statement: str, *values: object) -> dict[str, list[connection.Row]]:
    """The rows of *statement* over the services, which are {}, of every cell of the target."""
    host = context.target.database
    if CELLS not in context.extras:  # heartbeats are asked for each second, of each host at work
        nova = [recipe for recipe in context.recipes if recipe.cells]
        known = service_databases(context.target, nova, context.installation.tools)
        context.extras[CELLS] = sorted({one.name for one in known if one.cell})
    with connection.session(host) as link:
        return {
            name: connection.rows(
                link, statement.format(connection.quoted(name, "services")), *values
            )
            for name in context.extras[CELLS]
        }
