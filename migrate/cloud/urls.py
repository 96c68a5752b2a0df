"""URLs of databases and brokers as SQLAlchemy and oslo.messaging read them, and nobody else does.

In a database's URL a password may hold slashes, question marks, brackets or blanks as they are: it
ends at the next @. Percent-encoding is undone in the user and the password only. A broker's may
name several servers, each with an account of its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

DATABASE = re.compile(
    r"""(?P<scheme>[\w+]+)://
    (?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?
    (?:\[(?P<six>[^/?]+)\]|(?P<host>[^/:?]+))?
    (?::(?P<port>[^/?]*))?
    (?:/(?P<database>[^?]*))?
    (?:\?(?P<query>.*))?""",
    re.VERBOSE | re.DOTALL,
)

SERVER = re.compile(r"^\[?(?P<host>[^\]]+?)\]?(?::(?P<port>\d+))?$")
MARIADB, BROKER, CACHE = 3306, 5672, 11211
WEB = {"http": 80, "https": 443}


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
        told = {name: getattr(self, name) for name in names} | {"port": str(self.port)}
        return told | ({"socket": self.socket} if self.socket else {})

    @property
    def socket(self) -> str:
        """The unix socket that is called in place of host and port; "" where none is named."""
        return parse_qs(self.query).get("unix_socket", [""])[-1]


def parse(text: str) -> Url:
    """The parts of *text*; raises ValueError, without the text, where it is no such URL."""
    match = DATABASE.fullmatch(text)
    if match is None:
        raise ValueError("it is no URL")
    port = match["port"] or str(MARIADB)
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


@dataclass(frozen=True, slots=True)
class Broker:
    """One server of a transport URL; the password is never shown."""

    user: str
    password: str
    host: str
    port: int
    vhost: str

    def __repr__(self) -> str:
        return f"Broker({self.user}:…@{self.host}:{self.port}/{self.vhost})"


def brokers(text: str) -> list[Broker]:
    """The servers that a transport URL lists: `rabbit://nova:…@10.0.0.10:5672,nova:…@h2/vhost`."""
    rest = text.partition("://")[2]
    servers, _, path = rest.partition("/")
    vhost = unquote(path.partition("?")[0]) or "/"
    found = []
    listed = re.split(r"[?#]", servers)[0]
    for at, one in enumerate(listed.split(",")):
        login, _, address = one.rpartition("@")
        user, _, password = login.partition(":")
        host, port = server(address, BROKER)
        if not login and any("@" in later for later in listed.split(",")[at:]):
            host, port = "?", 0  # a comma in a password: it is no server, and is not shown
        found.append(Broker(unquote(user), unquote(password), host, port, vhost))
    return found


def servers(kind: str, text: str) -> Iterator[tuple[str, int]]:
    """Address and port of each server of a URL of *kind*; port 0 where it cannot be read."""
    if kind == "database":
        match = DATABASE.match(text)
        port = (match["port"] or str(MARIADB)) if match else "0"
        host = (match["six"] or match["host"] or "localhost") if match else "?"
        yield host, int(port) if port.isascii() and port.isdigit() else 0
    elif kind == "broker":
        yield from ((one.host, one.port) for one in brokers(text))
    else:
        hosts = re.split(r"[/?\s]", text.partition("://")[2])[0]
        yield from (server(one, CACHE) for one in hosts.rpartition("@")[2].split(","))


def web(text: str) -> tuple[str, int, str]:
    """Host, port and path of the URL of an API; port 0 where it cannot be read."""
    try:
        parts = urlsplit(text)
        port = parts.port or WEB.get(parts.scheme, 0)
    except ValueError:
        return "?", 0, ""
    return parts.hostname or "", port, parts.path


def server(text: str, port: int) -> tuple[str, int]:
    """`10.0.0.10:5672`, `[fd00::1]:5672` or a name alone, with *port* where none is said."""
    match = SERVER.match(text)
    return (match["host"], int(match["port"] or port)) if match else (text, port)
