"""The text of a closed HAProxy: marked lines at the head of each section that serves users."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

MARK = "# migrate: closed while the cloud is moved"
MESSAGE = "The cloud is being upgraded; please try again in a few minutes."
RETRY_SECONDS = 60
SECTIONS = re.compile(
    r"^(global|defaults|listen|frontend|backend|peers|userlist|resolvers|cache|program|mailers"
    r"|http-errors|ring|log-forward|fcgi-app|crt-store|traces)(?:\s+(\S+))?"
)


@dataclass(slots=True)
class Section:
    """One section: its kind, its name, the numbers and words of its lines."""

    kind: str
    name: str
    start: int
    lines: list[list[str]] = field(default_factory=list)
    defaults: Section | None = None

    def binds(self) -> list[tuple[str, int]]:
        """Address and port of every `bind`; an address of "" or "*" means all."""
        found = []
        for words in self.lines:
            if words[0] == "bind" and len(words) > 1:
                for one in words[1].split(","):
                    address, _, port = one.rpartition(":")
                    if port.split("-")[0].isdigit():
                        found.append((address.strip("[]"), int(port.split("-")[0])))
        return found

    def value(self, key: str) -> list[str]:
        """The last line that begins with *key*, of its own or of its defaults."""
        own = [words for words in self.lines if words[0] == key]
        if own:
            return own[-1][1:]
        return self.defaults.value(key) if self.defaults else []

    @property
    def http(self) -> bool:
        return self.value("mode") == ["http"]


def sections(text: str) -> list[Section]:
    """The sections of a configuration in order; our own marked lines are not seen."""
    found: list[Section] = []
    unnamed: Section | None = None
    named: dict[str, Section] = {}
    for number, line in enumerate(text.splitlines()):
        words = _words(line)
        if not words or MARK in line:
            continue
        match = SECTIONS.match(line)
        if not match:
            if found:
                found[-1].lines.append(words)
            continue
        base = named.get(words[words.index("from") + 1]) if "from" in words else unnamed
        section = Section(match[1], match[2] or "", number, defaults=base)
        if section.kind == "defaults":
            section.defaults, unnamed = None, section
            named[section.name] = section
        found.append(section)
    return found


def closed(text: str, virtual_ips: set[str], ports: set[int], own: list[str] | None) -> str:
    """*text* with every section that users reach on a virtual IP closed to all but *own*.

    *own* None closes to everybody. A section in TCP mode is closed when its port is an API's,
    since databases and brokers stand behind others.
    """
    added: dict[int, list[str]] = {}
    for section in sections(text):
        if _serves_users(section, virtual_ips, ports):
            added[section.start] = _rules(section.http, own)
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True)):
        lines.append(line if line.endswith("\n") else line + "\n")
        lines += [f"    {rule}  {MARK}\n" for rule in added.get(number, [])]
    return "".join(lines)


def _serves_users(section: Section, virtual_ips: set[str], ports: set[int]) -> bool:
    if section.kind not in ("listen", "frontend"):
        return False
    public = {"", "*", "0.0.0.0", "::", *virtual_ips}  # noqa: S104  read, not bound
    reached = [port for address, port in section.binds() if address in public]
    if not section.http:
        return bool(ports.intersection(reached))
    return bool(reached) and not any(words[0] == "stats" for words in section.lines)


def _rules(http: bool, own: list[str] | None) -> list[str]:
    rules, unless = [], ""
    if own is not None:
        # a line holds 64 words; lines of one name are alternatives
        rules = [f"acl migrate_own src {' '.join(own[i : i + 40])}" for i in range(0, len(own), 40)]
        unless = " unless migrate_own"
    if not http:
        return [*rules, f"tcp-request connection reject{unless}"]
    answer = {"error": {"code": 503, "title": "Service Unavailable", "message": MESSAGE}}
    body = json.dumps(answer).replace('"', r"\"")
    page = f"<!DOCTYPE html><title>Upgrade</title><p>{MESSAGE}</p>"
    rule = "http-request return status 503 hdr Retry-After"
    wants = "{ req.hdr(Accept) -m sub text/html }"
    outside = " !migrate_own" if own is not None else ""
    return [
        *rules,
        f'{rule} {RETRY_SECONDS} content-type text/html string "{page}" if {wants}{outside}',
        f'{rule} {RETRY_SECONDS} content-type application/json string "{body}"{unless}',
    ]


def _words(line: str) -> list[str]:
    return re.sub(r"(?<!\\)#.*$", "", line).split()
