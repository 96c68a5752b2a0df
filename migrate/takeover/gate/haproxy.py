"""The text of a closed HAProxy: marked lines at the head of each section that serves users."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from ipaddress import ip_address

MARK = "# migrate: closed while the cloud is moved"
MESSAGE = "The cloud is being upgraded; please try again in a few minutes."
RETRY_SECONDS = 60
HTML = "{ req.hdr(Accept) -m sub text/html }"
KINDS = re.compile(
    "global|defaults|listen|frontend|backend|peers|userlist|resolvers|cache|program|mailers|"
    "http-errors|ring|log-forward|log-profile|fcgi-app|crt-store|traces|acme"
)
# database, broker and cache: the cloud's own, which the fence closes
INNER = frozenset({3306, 5671, 5672, 11211})
LEADS_ON = ("server", "server-template", "use_backend", "default_backend", "dispatch")
BIND = re.compile(r"(?:(?:ipv|udp|quic)[46]@)?(?P<address>.*?):(?P<port>\d+)(?:-(?P<last>\d+))?$")
LOCAL = re.compile(r"(unix@|abns@|fd@|sockpair@|/)")
LOOPBACK = re.compile(r"(ipv[46]@)?(127\.|localhost:|\[?::1\]?:)")


@dataclass(frozen=True, slots=True)
class UserSocket:
    """An address and port where users are heard; closed, an *http* one says so."""

    address: str
    port: int
    http: bool

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(slots=True)
class Section:
    """One section: where it stands, and of each of its lines the words and the text itself."""

    kind: str
    name: str
    file: int = 0
    start: int = 0
    lines: list[list[str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    defaults: Section | None = None

    def binds(self) -> list[tuple[str, range]]:
        """Address and ports of every `bind` that can be read; "" and "*" mean all addresses."""
        found = []
        for one in self._bound():
            if match := BIND.match(one):
                first = int(match["port"])
                ports = range(first, int(match["last"] or first) + 1)
                found.append((match["address"].strip("[]"), ports))
        return found

    def ports(self) -> set[int]:
        """The ports of its binds for others than this host itself."""
        heard = (ports for at, ports in self.binds() if not LOOPBACK.match(f"{at}:"))
        return {port for ports in heard for port in ports}

    def value(self, key: str) -> list[str]:
        """The last line that begins with *key*, of its own or of its defaults."""
        if own := [words for words in self.lines if words[0] == key]:
            return own[-1][1:]
        return self.defaults.value(key) if self.defaults else []

    @property
    def http(self) -> bool:
        return self.value("mode") == ["http"]

    @property
    def hears(self) -> bool:
        """Whether it hears others than this host itself."""
        inside = [LOCAL.match(one) or LOOPBACK.match(one) for one in self._bound()]
        return self.kind in ("listen", "frontend") and not all(inside)

    @property
    def closes(self) -> bool:
        """Whether it is closed: all that users reach, but the cloud's inner daemons and pages of
        HAProxy's own statistics."""
        if not self.hears:
            return False
        if self.http:
            leads = any(self.value(word) for word in LEADS_ON)
            return leads or not self.value("stats")
        return not self.ports() or not self.ports() <= INNER

    def _bound(self) -> list[str]:
        binds = [words[1] for words in self.lines if words[0] == "bind" and len(words) > 1]
        return [one for words in binds for one in words.split(",")]


def sections(*texts: str) -> list[Section]:
    """The sections of all files in order; our own marked lines are not seen.

    What stands before all of them is a section without a kind.
    """
    found: list[Section] = []
    unnamed: Section | None = None
    named: dict[str, Section] = {}
    for file, text in enumerate(texts):
        for number, line in enumerate(text.split("\n")):
            words = _words(line)
            if not words or MARK in line:
                continue
            if not KINDS.fullmatch(words[0]):
                if not found:  # a condition, `.if`
                    found.append(Section("", "", file, number))
                found[-1].lines.append(words)
                found[-1].texts.append(line.strip())
                continue
            base = named.get(words[words.index("from") + 1]) if "from" in words[:-1] else unnamed
            name = words[1] if len(words) > 1 else ""
            section = Section(words[0], name, file, number, defaults=base)
            if section.kind == "defaults":
                section.defaults = base if "from" in words else None
                unnamed = named[section.name] = section
            found.append(section)
    return found


def closed(texts: dict[str, str], own: list[str] | None) -> dict[str, str]:
    """*texts*, by path, with every section that users reach closed to all but *own*.

    *own* None closes to everybody. Too much is closed rather than too little: which sockets the
    kernel holds, and what is heard there, decides whether it was enough.
    """
    added = {
        (section.file, section.start): _rules(section.http, own)
        for section in sections(*texts.values())
        if section.closes
    }
    found = {}
    for file, (path, text) in enumerate(texts.items()):
        lines = []
        for number, line in enumerate(text.split("\n")):
            lines += [line, *(f"    {rule}  {MARK}" for rule in added.get((file, number), []))]
        found[path] = "\n".join(lines)
    return found


def user_sockets(texts: dict[str, str], sockets: list[tuple[str, int]]) -> list[UserSocket]:
    """Those of HAProxy's *sockets* at which users are heard and must not be any more."""
    found = [section for section in sections(*texts.values()) if section.hears]
    shut = [section for section in found if section.closes]
    spared = {port for section in found if not section.closes for port in section.ports()}
    http = {port for section in shut if section.http for port in section.ports()}
    both = set.union(set(), *(section.ports() for section in shut))
    return [
        UserSocket(address, port, port in http)
        for address, port in sockets
        if not ip_address(address).is_loopback and port not in (spared | INNER) - both
    ]


def left_open(texts: dict[str, str], sockets: list[tuple[str, int]]) -> list[UserSocket]:
    """User sockets that no section can be seen to bind, or one that is not closed too."""
    found = [section for section in sections(*texts.values()) if section.hears]
    shut = {port for section in found if section.closes for port in section.ports()}
    spared = {port for section in found if not section.closes for port in section.ports()}
    return [one for one in user_sockets(texts, sockets) if one.port not in shut - spared]


def _rules(http: bool, own: list[str] | None) -> list[str]:
    rules, unless = [], ""
    if own is not None:
        rules = callers("migrate_own", own)
        unless = " unless migrate_own"
    if not http:
        return [*rules, f"tcp-request connection reject{unless}"]
    outside = " !migrate_own" if own is not None else ""
    return [*rules, *unavailable(f" if {HTML}{outside}", unless)]


def callers(name: str, addresses: list[str]) -> list[str]:
    """The condition *name*: who calls from one of *addresses*."""
    # a line holds 64 words; lines of one name are alternatives
    parts = [addresses[i : i + 40] for i in range(0, len(addresses), 40)]
    return [f"acl {name} src {' '.join(part)}" for part in parts]


def unavailable(page_when: str, when: str) -> list[str]:
    """The answer that says so, to people and to programs, each under its condition."""
    answer = {"error": {"code": 503, "title": "Service Unavailable", "message": MESSAGE}}
    body = json.dumps(answer).replace('"', r"\"")
    page = f"<!DOCTYPE html><title>Upgrade</title><p>{MESSAGE}</p>"
    rule = f"http-request return status 503 hdr Retry-After {RETRY_SECONDS}"
    return [
        f'{rule} content-type text/html string "{page}"{page_when}',
        f'{rule} content-type application/json string "{body}"{when}',
    ]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # an open quote: HAProxy does not take it either
        return line.split()
