"""A database's URL as SQLAlchemy reads it, which is not how URLs are read elsewhere.

A password in it may hold slashes, question marks, brackets or blanks as they are: it ends at the
next @. Percent-encoding is undone in the user and the password only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

DATABASE = re.compile(
    r"""(?P<scheme>[\w+]+)://
    (?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?
    (?:\[(?P<six>[^/?]+)\]|(?P<host>[^/:?]+))?
    (?::(?P<port>[^/?]*))?
    (?:/(?P<database>[^?]*))?
    (?:\?(?P<query>.*))?""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Url:
    """`mysql+pymysql://nova:…@10.0.0.10:3306/nova?charset=utf8`; the password is never shown."""

    scheme: str
    user: str
    password: str
    host: str
    port: int
    database: str
    query: str = ""

    def __repr__(self) -> str:
        return f"Url({self.scheme}://{self.user}:…@{self.host}:{self.port}/{self.database})"

    def login(self) -> dict[str, str]:
        """What a client on a host is told to log in with: a secret, for a payload only."""
        names = ("user", "password", "host", "database")
        return {name: getattr(self, name) for name in names} | {"port": str(self.port)}


def parse(text: str) -> Url:
    """The parts of *text*; raises ValueError, without the text, where it is no such URL."""
    match = DATABASE.fullmatch(text)
    if match is None:
        raise ValueError("it is no URL")
    port = match["port"] or "3306"
    if not port.isascii() or not port.isdigit():
        raise ValueError("its port is no number")
    return Url(
        scheme=match["scheme"],
        user=unquote(match["user"] or ""),
        password=unquote(match["password"] or ""),
        host=match["six"] or match["host"] or "localhost",
        port=int(port),
        database=match["database"] or "",
        query=match["query"] or "",
    )
