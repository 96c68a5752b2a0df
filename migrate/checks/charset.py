"""Character sets and collations: the target must know every one that the source uses."""

from collections import Counter
from collections.abc import Iterator

from migrate.checks.sql import Database, of_services, session
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, info

NARROW = ("latin1", "ascii", "cp1252")
COLUMNS = (
    "SELECT table_schema, table_name, collation_name, character_set_name, count(*) AS columns "
    "FROM information_schema.columns WHERE collation_name IS NOT NULL AND table_schema IN ({}) "
    "GROUP BY table_schema, table_name, collation_name, character_set_name"
)


def run(context: Context) -> Iterator[Finding]:
    """Unknown collations, narrow character sets, and what each schema is made of."""
    with session(context.target.database) as database:
        known = {
            row["collation_name"]
            for row in database.rows(
                "SELECT full_collation_name AS collation_name "
                "FROM information_schema.collation_character_set_applicability"
            )
        }
    for source, schemata in of_services(context):
        yield from _on(source, schemata, known, context.target.database)


def _on(source: Host, schemata: list[str], known: set[str], target: Host) -> Iterator[Finding]:
    with session(source) as database:
        used = _used(database, schemata)
        default = str(database.value("SELECT @@global.collation_server"))
    for collation, tables in sorted(used.items()):
        if collation not in known:
            yield error(
                f"the target's MariaDB does not know collation {collation}, which "
                f"{len(tables)} table(s) use, as {tables[0]}",
                "Install a MariaDB on the target that knows it",
                target.name,
            )
        if collation.partition("_")[0] in NARROW:
            yield info(
                f"{len(tables)} table(s) hold text as {collation}, as {', '.join(tables[:5])}",
                "nova and placement declare some so; elsewhere see that it holds no UTF-8",
                source.name,
            )
    counted = Counter({collation: len(tables) for collation, tables in used.items()})
    if told := ", ".join(f"{collation} {count}" for collation, count in counted.most_common()):
        yield info(
            f"tables by collation: {told}; the server's default is {default}",
            "Carried over as they are and compared",
            source.name,
        )


def _used(database: Database, schemata: list[str]) -> dict[str, list[str]]:
    """Tables by the collations of their columns: `{"utf8mb3_general_ci": ["nova.cells"]}`."""
    used: dict[str, list[str]] = {}
    for row in database.of(COLUMNS, schemata):
        named = f"{row['table_schema']}.{row['table_name']}"
        used.setdefault(row["collation_name"], []).append(named)
    return used
