"""A database's URL as SQLAlchemy reads it, which is not how URLs are read elsewhere.

A password in it may hold slashes, question marks, brackets or blanks as they are: it ends at the
next @. Percent-encoding is undone in the user and the password only.
"""

from __future__ import annotations

from dataclasses import dataclass

from migrate.onhost.mariadb import URL, parts


@dataclass(frozen=True, slots=True)
class Url:
    """`mysql+pymysql://nova:…@10.0.0.10:3306/nova?charset=utf8`; the password is never shown."""

    scheme: str
    user: str
    password: str
    host: str
    port: int
    database: str

    def __repr__(self) -> str:
        return f"Url({self.scheme}://{self.user}:…@{self.host}:{self.port}/{self.database})"


def parse(text: str) -> Url:
    """The parts of *text*; raises ValueError, without the text, where it is no such URL."""
    match = URL.fullmatch(text)
    if match is None:
        raise ValueError("it is no URL")
    found = parts(match)
    port = found.pop("port")
    if not port.isascii() or not port.isdigit():
        raise ValueError("its port is no number")
    return Url(scheme=match["scheme"], port=int(port), **found)
