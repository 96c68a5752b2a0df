"""What a schema tool's output tells of the migration that failed: the statement, and the row.

SQLAlchemy writes the server's error, the statement, and its values; the values are rows of users,
and are left out. Where the server names the row, its own words do: an entry that is there twice,
or the number of the row.
"""

import re

from migrate.errors import one_line

# what PyMySQL raises, quoted as Python does
SERVER = re.compile(r"\((\d{4}), (?:\"(.+?)\"|'(.+?)')\)\s*$", re.MULTILINE | re.DOTALL)
STATEMENT = re.compile(r"^\[SQL: (.+?)\]\s*(?=^\[parameters: |^\(Background |\Z)", re.M | re.S)
VALUES = re.compile(r"^\[parameters: .*?(?=^\(Background |\Z)", re.M | re.S)
SHOWN = 400
LAST_LINES = 4


def told(output: str, revision: str = "") -> str:
    """One line on what failed in *output*, of which *revision* was the last that was begun."""
    where = f"revision {revision}: " if revision else ""
    servers, statements = list(SERVER.finditer(output)), STATEMENT.findall(output)
    if not statements:
        plain = VALUES.sub("", output).strip().splitlines()[-LAST_LINES:]
        return where + (one_line(" | ".join(plain), SHOWN) or "it said nothing")
    statement = one_line(statements[-1], SHOWN)
    if not servers:
        return f"{where}the statement that failed: {statement}"
    number, double, single = servers[-1].groups()
    said = one_line((double or single).replace("\\'", "'"), SHOWN)
    return f"{where}{said} (error {number}); the statement: {statement}"
