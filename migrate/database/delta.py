"""What a copy lacks: from two fingerprints to the databases and tables that must be brought."""

from collections.abc import Iterable, Mapping

from migrate.database import connection
from migrate.database.fingerprint import OBJECTS, Fingerprint

TABLES_AT_ONCE = 200  # of one database; above it the whole database is brought


def missing(wanted: Fingerprint, held: Fingerprint) -> tuple[list[str], list[str], list[str]]:
    """Databases to bring whole, single tables to bring (`database.table`), tables to drop.

    A database whose defaults, views, triggers, routines or events differ is brought whole. Tables
    of `numbers` are none of them.
    """
    only_numbers = numbers(wanted, held)
    whole = {
        name for name, text in wanted["databases"].items() if held["databases"].get(name) != text
    }
    for kind in OBJECTS:
        for name in {*wanted[kind], *held[kind]}:
            if wanted[kind].get(name) != held[kind].get(name):
                whole.add(owner(name))
    changed = [
        name
        for name, table in wanted["tables"].items()
        if held["tables"].get(name) != table and name not in only_numbers
    ]
    for database in {owner(name) for name in changed}:
        if sum(owner(name) == database for name in changed) > TABLES_AT_ONCE:
            whole.add(database)
    gone = sorted(set(held["tables"]) - set(wanted["tables"]))
    return (
        sorted(whole),
        [name for name in changed if owner(name) not in whole],
        [name for name in gone if owner(name) not in whole],
    )


def numbers(wanted: Fingerprint, held: Fingerprint) -> dict[str, int]:
    """The next automatic number of tables that differ in nothing else.

    A source that took a number and rolled back has not told who follows its rows.
    """
    return {
        name: table["next"] or 1
        for name, table in wanted["tables"].items()
        if (here := held["tables"].get(name)) not in (None, table)
        and {**here, "next": table["next"]} == table
    }


def renumber(link: connection.Session, following: Mapping[str, int]) -> None:
    """Have each table go on with its number; no row is touched."""
    for name, number in following.items():
        table = connection.quoted(*name.split(".", 1))
        connection.rows(link, f"ALTER TABLE {table} AUTO_INCREMENT = {number:d}")


def owner(name: str) -> str:
    """The database of `database.thing`."""
    return name.partition(".")[0]


def make_room(link: connection.Session, databases: Iterable[str], tables: Iterable[str]) -> None:
    """Drop on the target what will be brought anew."""
    for name in databases:
        connection.rows(link, f"DROP DATABASE IF EXISTS {connection.quoted(name)}")
    drops = [f"DROP TABLE IF EXISTS {connection.quoted(*name.split('.', 1))}" for name in tables]
    checks = "SET SESSION foreign_key_checks = {}"
    if drops:
        connection.several(link, (checks.format(0), *drops, checks.format(1)))
