"""Whether the services' database, on a host of its own, takes writes: as a service here sees it.

No password is kept for that: the URL is read where the service reads it, each time anew.
"""

import re
import time
from typing import Any
from urllib.parse import unquote

from migrate.onhost import disk, logins

STATE = "SELECT @@global.read_only"
URL = re.compile(
    r"[\w+]+://(?P<user>[^:/@]*):(?P<password>[^@]*)@"
    r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^/:?]+))(?::(?P<port>\d+))?/(?P<database>[^?]*)"
)
PAUSE = 0.5


def known(places: list[list[str]]) -> list[str]:
    """The first of *places* by whose URL the database says how it is.

    A place is [section, option, file, ...], the files in the service's order. RuntimeError where
    none is such a URL.
    """
    for place in places:
        if _state(place) is not None:
            return place
    raise RuntimeError(
        "whether the database takes writes can be asked here by no URL of a service: write one "
        "that names user, password and host into its file, and see that this host has MariaDB's "
        "client"
    )


def wait(place: list[str], seconds: float) -> str:
    """Wait *seconds* at most until the database that *place* names takes writes; "" where it does.

    Else why not.
    """
    deadline = time.monotonic() + seconds
    while (state := _state(place)) != "0":
        if time.monotonic() > deadline:
            return "the database is read-only" if state else "the database does not answer"
        time.sleep(PAUSE)
    return ""


def _state(place: list[str]) -> Any:
    """`read_only` as the server says it, "0" or "1"; None where nobody does."""
    login = _login(place)
    if login is None:
        return None
    try:
        answered = logins.client(login, STATE)
    except OSError:  # no client here
        return None
    return None if answered.returncode else answered.stdout.strip()


def _login(place: list[str]) -> Any:
    section, option, *paths = place
    value = ""
    for path in paths:
        value = _value(disk.text_if_there(path), section, option) or value
    found = URL.match(value)
    if found is None:
        return None
    return {
        "user": unquote(found["user"]),
        "password": unquote(found["password"]),
        "host": found["six"] or found["host"],
        "port": found["port"] or "3306",
        "database": found["database"],
    }


def _value(text: str, section: str, option: str) -> str:
    """What the last line of *text* gives *option* of *section*; "" where none does."""
    within, value = "", ""
    for line in text.split("\n"):
        if heading := re.match(r"\[([^\]]+)\]", line):
            within = heading[1].strip()
        elif within == section and (given := re.match(rf"{re.escape(option)}\s*[=:](.*)", line)):
            value = given[1].strip()
    return value
