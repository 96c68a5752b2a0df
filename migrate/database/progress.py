"""What was done to the target's databases, kept beside them: it is gone when they are.

A row says which source data it was done to, by the digest of the fingerprint taken at the fence:
work done for an earlier window never counts for this one.
"""

from collections.abc import Iterable

from migrate.database import connection

SCHEMA = "migrate_progress"
TABLE = f"`{SCHEMA}`.`progress`"
SEED = "seed"  # the first pass is of one instant, whose position the server knows
WHOLE = "seed-whole"  # that came as the source's whole server
OWN_WRITES = "own-writes"  # since then somebody but the source wrote to the data
COPIED_URLS = "ends"  # what `copied_urls` notes; the word is in databases of older runs

MAKE = (
    f"CREATE DATABASE IF NOT EXISTS `{SCHEMA}` CHARACTER SET utf8mb4",
    f"CREATE TABLE IF NOT EXISTS {TABLE} (what VARCHAR(200) NOT NULL PRIMARY KEY,"
    " fence CHAR(32) NOT NULL, noted DATETIME NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4"
    " COLLATE utf8mb4_bin",
)


def note(link: connection.Session, what: str, fence: str) -> None:
    """Remember that *what* ("copy", "compare", "schema:nova") was done to the data of *fence*."""
    connection.several(link, MAKE)
    connection.rows(
        link,
        f"REPLACE INTO {TABLE} (what, fence, noted) VALUES (%s, %s, UTC_TIMESTAMP())",  # noqa: S608
        what,
        fence,
    )


def noted(link: connection.Session, what: str, fence: str) -> bool:
    """Whether *what* was done to the data of *fence*; never so while nothing is fenced ("")."""
    if not fence or not there(link):
        return False
    found = connection.rows(link, f"SELECT fence FROM {TABLE} WHERE what = %s", what)  # noqa: S608
    return [row[0] for row in found] == [fence]


def ever(link: connection.Session, what: str) -> bool:
    """Whether *what* was noted for any data."""
    if not there(link):
        return False
    return bool(connection.rows(link, f"SELECT 1 FROM {TABLE} WHERE what = %s", what))  # noqa: S608


def unfinished(link: connection.Session, fence: str) -> list[str]:
    """The projects whose schema tools began over the data of *fence* and did not end well."""
    if not fence or not there(link):
        return []
    rows = connection.rows(link, f"SELECT what FROM {TABLE} WHERE fence = %s", fence)  # noqa: S608
    marks = {str(what) for (what,) in rows}
    begun = sorted(what.partition(":")[2] for what in marks if what.startswith("begun:"))
    return [project for project in begun if f"schema:{project}" not in marks]


def forget_tools(link: connection.Session, projects: Iterable[str]) -> None:
    """No schema tool has touched the databases of *projects* as they are now."""
    forget(link, *(f"{word}:{project}" for project in projects for word in ("begun", "schema")))


def forget(link: connection.Session, *what: str) -> None:
    """None of *what* is so any longer."""
    if what and there(link):
        marks = ", ".join(["%s"] * len(what))
        connection.rows(link, f"DELETE FROM {TABLE} WHERE what IN ({marks})", *what)  # noqa: S608


def clear(link: connection.Session) -> None:
    """Forget everything."""
    connection.rows(link, f"DROP DATABASE IF EXISTS `{SCHEMA}`")


def there(link: connection.Session) -> bool:
    """Whether anything was ever noted."""
    return connection.has_table(link, SCHEMA, "progress")
