"""What the target's HAProxy serves in place of the source's, and what of it would be lost."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath

from migrate.cloud.settings import VirtualIp
from migrate.services.base import ApiPort, Recipe
from migrate.takeover.gate.haproxy import BIND, Section, sections

STANDARD = {
    "mode": "mode http",
    "timeout connect": "timeout connect 5s",
    "timeout client": "timeout client 120s",
    "timeout server": "timeout server 120s",
}
# directives that mean the same in front of any server
CARRIED = ("option", "timeout", "mode", "maxconn", "compression", "capture", "fullconn", "acl")
RULES = re.compile(
    r"(http-request|http-response) (set|add|del|replace)-header |http-request (deny|redirect) "
    r"|redirect (scheme|prefix|location) "
)
NOT_CARRIED = ("option tcp-check", "option httpchk", "option mysql-check", "option external-check")
# what stands elsewhere: files, tables, users, programs
ELSEWHERE = re.compile(
    r"\s-[fM]\s|map\w*\(|lua\.|http_auth|\bsc\d?_|table_|errorfiles?\s|nbsrv|\benv\("
)
VARIABLE = re.compile(r'"[^"]*\$[{\w]')  # of the environment of the source's HAProxy
FRONTED = 20000
FOREIGN_BYTES = "\ufffd"  # where it is no UTF-8
DATAGRAMS = re.compile(r"(quic|udp)[46]@")
# about the servers behind, or about this HAProxy, not about what users get
OURS = (
    *("bind", "server", "server-template", "default-server", "default_backend", "description"),
    *("log", "log-format", "log-tag", "error-log-format", "errorfile", "errorfiles", "balance"),
    *("hash-type", "retries", "retry-on", "http-check", "tcp-check", "cookie", "stick", "id"),
    *("stick-table", "stats", "unique-id-format", "unique-id-header", "option", "email-alert"),
)
SERVER_SIDE = ("connect", "server", "queue", "tunnel", "check")
# parameters of a bind, with one value, that mean this machine and not what is heard there
THIS_MACHINE = ("interface", "process", "thread", "name", "id", "nice", "shards", "namespace")
# parameters of a bind that name a file, and what gives its folder; a list has none
FILES = {
    "crt": "crt-base",
    "crt-list": "",
    "ca-file": "ca-base",
    "ca-verify-file": "ca-base",
    "crl-file": "ca-base",
}
OTHER_FILES = ("tls-ticket-keys", "ca-sign-file")
OF_THE_SYSTEM = "@system-ca"
OLD_GLOBAL = ("nbproc", "cpu-map", "daemon", "server-state-file", "server-state-base")
PATHS = (
    *("chroot", "pidfile", "log", "stats", "crt-base", "ca-base", "ssl-dh-param-file"),
    *("unix-bind", "user", "group"),
)


@dataclass(slots=True)
class Listener:
    """One API at some of the virtual IPs, as the source's *section* serves it.

    One that the source serves nowhere has a section without a name.
    """

    api: ApiPort
    section: Section
    params: str
    addresses: list[str] = field(default_factory=list)


def rendered(
    texts: list[str],
    recipes: tuple[Recipe, ...],
    virtual_ips: tuple[VirtualIp, ...],
    name: str,
    address: str,
) -> str:
    """A listener for every API of *recipes* in front of controller *name* at *address*."""
    found = sections(*texts)
    lines = ["# Written by migrate from the source's haproxy.cfg", "global"]
    lines += [f"    {text}" for text in _global(found)]
    used: dict[str, int] = {}
    for one in listeners(found, recipes, virtual_ips):
        used[one.api.name] = used.get(one.api.name, 0) + 1
        again = f"-{used[one.api.name]}" if used[one.api.name] > 1 else ""
        lines += ["", f"listen {one.api.name}{again}"]
        lines += [f"    bind {a}:{one.api.port} transparent{one.params}" for a in one.addresses]
        lines += [] if again else [f"    bind {address}:{fronted(one.api.port)}{one.params}"]
        lines += [f"    {line}" for line in _directives(one.section, found)]
        lines.append(f"    server {name} {address}:{one.api.own}")
    return "\n".join(lines) + "\n"


def fronted(port: int) -> int:
    """Where the target's HAProxy hears, at its own address, what the source's front passes on.

    The API itself has *port* there.
    """
    return FRONTED + port


def listeners(
    found: list[Section], recipes: tuple[Recipe, ...], virtual_ips: tuple[VirtualIp, ...]
) -> list[Listener]:
    """Every API at the addresses where the source serves it; at all, where it serves it at none."""
    http = next((s for s in found if s.kind == "defaults" and s.http), None)
    nowhere = Section("listen", "", defaults=http)
    result: list[Listener] = []
    for api in (api for recipe in recipes for api in recipe.apis):
        every = [str(one.address) for one in virtual_ips]
        served = {
            str(v.address): hit
            for v in virtual_ips
            if (hit := bound(found, str(v.address), v.interface, api.port))
        }
        here: list[Listener] = []
        for address in served or every:
            section, params = served.get(address, (nowhere, ""))
            same = [one for one in here if one.section is section and one.params == params]
            here += [] if same else [Listener(api, section, params)]
            (same or here[-1:])[0].addresses.append(address)
        result += here
    return result


def losses(
    texts: list[str], recipes: tuple[Recipe, ...], virtual_ips: tuple[VirtualIp, ...]
) -> list[tuple[str, str]]:
    """Lines that change what users get, or that the target cannot read: section, line."""
    found = sections(*texts)
    served = listeners(found, recipes, virtual_ips)
    ports = {one.api.port for one in served}
    lost = [
        (f"{section.kind} {section.name}".strip(), text)
        for section in found
        for words, text in zip(section.lines, section.texts, strict=True)
        if words[0].startswith(".")  # conditions: which lines hold is known to HAProxy alone
        or (section.kind == "global" and _foreign(words, text))
        or _datagrams(words, ports)
    ]
    for one in served:
        name = f"{one.section.kind} {one.section.name}"
        lost += [(name, text) for text in _lost(one.section, found)]
        for before, word in pairwise(["", *shlex.split(one.params)]):
            known = before in FILES and not word.startswith("@")
            odd = before in OTHER_FILES or "$" in word or FOREIGN_BYTES in word
            if odd or (word.startswith("/") and not known):
                lost.append((name, f"bind ... {before} {word}"))
    lost += [
        (name, f"{word} {path}") for name, word, path in files(found, served) if path[0] != "/"
    ]
    return list(dict.fromkeys(lost))


def files(found: list[Section], served: list[Listener]) -> Iterator[tuple[str, str, str]]:
    """Each file that the target's HAProxy would read: section, word and path.

    A relative path is one below the folder in which HAProxy was started, or of no file at all.
    """
    if path := setting(found, "ssl-dh-param-file"):
        yield "global", "ssl-dh-param-file", path
    for one in served:
        for word, path in pairwise(shlex.split(one.params)):
            if word in FILES and path != OF_THE_SYSTEM:
                base = "" if path.startswith("@") else setting(found, FILES[word])
                yield f"{one.section.kind} {one.section.name}", word, str(PurePosixPath(base, path))


def setting(found: list[Section], word: str) -> str:
    """The value of the last *word* of the global sections; "" where there is none."""
    values = [w[1] for s in found if s.kind == "global" for w in s.lines if w[0] == word and w[1:]]
    return values[-1] if values else ""


def _foreign(words: list[str], text: str) -> bool:
    """Whether a line of the global section names what the target does not have."""
    named = re.search(r"\s/\S", text) and words[0] not in (*PATHS, *OLD_GLOBAL)
    return words[0].startswith("lua-") or bool(named) or _odd(words, text)


def _odd(words: list[str], text: str) -> bool:
    return bool(VARIABLE.search(text)) or any(FOREIGN_BYTES in word for word in words)


def _datagrams(words: list[str], ports: set[int]) -> bool:
    """Whether a line hears QUIC at one of *ports*, which nothing here serves."""
    if words[0] != "bind" or len(words) < 2:
        return False
    heard = [BIND.match(one) for one in words[1].split(",") if DATAGRAMS.match(one)]
    return any(one and int(one["port"]) in ports for one in heard)


def bound(
    found: list[Section], address: str, interface: str, port: int
) -> tuple[Section, str] | None:
    """Who serves *address*, and by which parameters of its bind.

    Its own address goes before all addresses, those before names, an interface before none. None
    where several may be it: names are not resolved here, and tell it apart from another address.
    """
    hits: list[tuple[tuple[int, bool], Section, str]] = []
    for section in found:
        for words in section.lines if section.kind in ("listen", "frontend") else ():
            if words[0] != "bind" or len(words) < 2 or _elsewhere(words, interface):
                continue
            for one in words[1].split(","):
                match = None if DATAGRAMS.match(one) else BIND.match(one)
                if match and int(match["port"]) <= port <= int(match["last"] or match["port"]):
                    rank = _rank(match["address"], address)
                    hits.append(((rank, "interface" not in words), section, _params(words[2:])))
    hits = [hit for hit in hits if hit[0][0] < 3]
    best = min((rank for rank, _, _ in hits), default=None)
    several = [(section, params) for rank, section, params in hits if rank == best]
    return several[0] if several and all(one == several[0] for one in several) else None


def _elsewhere(words: list[str], interface: str) -> bool:
    """Whether a bind hears another interface than *interface*."""
    return any(word == "interface" and on != interface for word, on in pairwise(words))


def _rank(written: str, address: str) -> int:
    """0: it is *address*; 1: it is every address; 2: a name that may be it; 3: another."""
    written = written.strip("[]")
    if written == address:
        return 0
    if written in ("", "*", "0.0.0.0", "::"):  # noqa: S104  read, not bound
        return 1
    return 3 if re.fullmatch(r"[\d.]+|[\da-fA-F:]*:[\da-fA-F:.]*", written) else 2


def _params(words: list[str]) -> str:
    kept, skip = [], False
    for word in words:
        if not skip and word not in (*THIS_MACHINE, "transparent"):
            kept.append(
                word if word.isascii() and not re.search(r"[\s#'\"]", word) else shlex.quote(word)
            )
        skip = not skip and word in THIS_MACHINE
    return "".join(f" {word}" for word in kept)


def _global(found: list[Section]) -> Iterator[str]:
    for section in found:
        if section.kind == "global":
            for words, text in zip(section.lines, section.texts, strict=True):
                bound = words[:2] == ["stats", "bind-process"]
                if words[0] not in OLD_GLOBAL and not words[0].startswith("lua-") and not bound:
                    yield text


def _backend(section: Section, found: list[Section]) -> Section | None:
    """The one backend that *section* leads to without a condition."""
    named = section.value("default_backend")[:1]
    if not named:
        plain = [w for w in section.lines if w[0] == "use_backend" and len(w) == 2]
        named = plain[-1][1:] if plain else []
    return next((s for s in found if s.kind == "backend" and [s.name] == named), None)


def _lines(section: Section, found: list[Section]) -> Iterator[tuple[list[str], str, bool]]:
    """Words and text of all that holds for *section*, and whether it is from its defaults."""
    back = _backend(section, found)
    for base in (section.defaults, back.defaults if back else None):
        if base:
            for words, text in zip(base.lines, base.texts, strict=True):
                if base is section.defaults or words[:1] + words[1:2] in [
                    ["timeout", one] for one in SERVER_SIDE
                ]:
                    yield words, text, True
    for one in (section, back):
        if one:
            for words, text in zip(one.lines, one.texts, strict=True):
                yield words, text, False


def _directives(section: Section, found: list[Section]) -> list[str]:
    """What a listener keeps of the source's *section*, its defaults and its backend."""
    given = dict(STANDARD)
    if section.name and not section.http:
        given["mode"] = "mode tcp"
    for words, text, inherited in _lines(section, found):
        if _carried(words, text):
            # the later one of a kind holds
            pair = words[0] in ("option", "timeout")
            alone = RULES.match(text) or words[0] in ("acl", "capture", "compression")
            given[text if alone else " ".join(words[: 2 if pair else 1])] = text
        elif words[0] not in OURS and not inherited:
            given[text] = f"# not carried from the source: {text}"
    return list(given.values())


def _lost(section: Section, found: list[Section]) -> list[str]:
    back = _backend(section, found)
    return [
        text
        for words, text, inherited in _lines(section, found)
        if not _carried(words, text) and words[0] not in OURS
        if words[0] != "use_backend" or inherited or not back or words[1:] != [back.name]
    ]


def _carried(words: list[str], text: str) -> bool:
    if text.startswith(NOT_CARRIED) or ELSEWHERE.search(text) or _odd(words, text):
        return False
    return words[0] in CARRIED or bool(RULES.match(text))
