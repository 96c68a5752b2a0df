"""keepalived of the source is one instance that holds the virtual IPs, and no other address."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_interface

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, on_each, warning
from migrate.onhost import call

UNIT = "keepalived.service"
# the files that the target's is made from; `proxy.py` reads the same
TEXT = "cat /etc/keepalived/*.conf /etc/keepalived/*/*.conf 2>/dev/null || true"
TOKENS = re.compile(r'"[^"]*"|[{}]|[^\s{}]+')
LISTS = ("virtual_ipaddress", "virtual_ipaddress_excluded")
READ = re.compile(r"/etc/keepalived/([^/]+/)?[^/]+\.conf")  # those of TEXT
# a definition, a use of a predefined one, a condition, lines made of a sequence
PREPARED = re.compile(r"^\s*(\$\w+\s*=|@|~SEQ)|\$\{?_[A-Z]")


def run(context: Context) -> list[Finding]:
    """Instances, addresses and peers that the target's keepalived would not take over."""
    known = {str(one.address) for one in context.source.virtual_ips}
    own = {host.address for host in context.source.controllers}

    def ask(host: Host) -> Iterable[Finding]:
        return judge(host.shell(TEXT), known, own) if UNIT in call(host, "sockets.running") else ()

    return on_each(context.source.controllers, ask)


def judge(text: str, known: set[str], hosts: set[str]) -> Iterator[Finding]:
    """What is told of a configuration; *known* are the virtual IPs, *hosts* the controllers."""
    blocks = list(_blocks(text))
    instances = [name for kind, name, _ in blocks if kind == "vrrp_instance"]
    if len(instances) > 1:
        yield error(
            f"keepalived has {len(instances)} VRRP instances ({', '.join(instances)})",
            "Put all virtual IPs into one instance: the target's keepalived has one",
        )
    held = [entry for kind, _, entries in blocks if kind in LISTS for entry in entries]
    for address in dict.fromkeys(filter(None, map(_address, held))):
        if address not in known:
            yield error(
                f"keepalived carries {address} too, which nobody would carry after the move",
                "List it in sidestep:source.virtualIps (IPv4 only), or take it out of keepalived",
            )
    peers = [entry for kind, _, entries in blocks if kind == "unicast_peer" for entry in entries]
    for peer in dict.fromkeys(peer.split()[0] for peer in peers):
        if peer not in hosts:
            yield error(
                f"keepalived has the peer {peer}, which would take the virtual IP when this host "
                "gives it up",
                "Stop keepalived there for good: one controller on either side is moved",
            )
    for kind, name, _ in blocks:
        if kind == "virtual_server":
            yield error(
                f"keepalived balances {name} itself, past HAProxy, and nobody would after the move",
                "Let HAProxy serve it, or move it elsewhere",
            )
        elif kind in ("virtual_routes", "virtual_rules"):
            yield error(
                f"keepalived lays {kind}, which the target's would not",
                "Lay them on the target for good, where they are needed, and take them out here",
            )
    for line in map(_code, text.splitlines()):
        words = line.split()
        if words[:1] == ["include"] and not READ.fullmatch(words[1]):
            yield error(
                f"keepalived includes {words[1]}, which is not read",
                "Move that file into /etc/keepalived, with a name that ends in .conf",
            )
        elif PREPARED.search(line):
            first = words[0].partition("=")[0]  # what follows may be a password
            yield error(
                f"keepalived has a definition or a condition, which is not read: {first}",
                "Write what it stands for",
            )
        elif words and words[0].startswith("notify"):
            yield warning(
                f"keepalived calls scripts ({words[0]}), which the target's will not",
                "See that nothing depends on them",
            )


def _code(line: str) -> str:
    """*line* without its comment."""
    return re.sub(r'(?<!\S)[#!](?=(?:[^"]*"[^"]*")*[^"]*$).*', "", line)


def _blocks(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Every block, inner ones too: its kind, its name, and the lines of its own."""
    open_blocks: list[tuple[str, str, list[str]]] = [("", "", [])]
    for raw in text.splitlines():
        words: list[str] = []
        for word in TOKENS.findall(_code(raw)):
            if word == "{":
                open_blocks.append((words[0] if words else "", " ".join(words[1:]), []))
                words = []
            elif word == "}":
                _add_line(open_blocks[-1], words)
                words = []
                if len(open_blocks) > 1:
                    yield open_blocks.pop()
            else:
                words.append(word)
        _add_line(open_blocks[-1], words)


def _add_line(block: tuple[str, str, list[str]], words: list[str]) -> None:
    if words:
        block[2].append(" ".join(words))


def _address(entry: str) -> str:
    try:
        return str(ip_interface(entry.split(maxsplit=1)[0]).ip)
    except ValueError:
        return ""
