"""Addresses and names of the source's core, and what stands in their place on the target."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Interface

from migrate import onhost
from migrate.cloud import Context
from migrate.cloud.host import Host

NOTHING = r"(?!)"
# who logs in, as SQLAlchemy finds it in a database's URL and oslo.messaging before each host; and
# every path, that of a file or of a URL
KEPT = (
    r"\b(?:mysql|mariadb)(?:\+\w+)?://[^:/@]*(?::[^@]*)?@"
    r"|(?:(?<=://)|(?<=,))[^,@/\s]*@"
    # what a coordination URL names behind its host: more of the same servers
    r"|(?:(?<![:/])[/?](?!/)|&)(?:(?!\bsentinel_fallback=)[^\s,\"'])*"
)


@dataclass(frozen=True)
class Mapping:
    """What replaces what. `lost` are addresses of the source without a counterpart."""

    addresses: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()

    @cached_property
    def _ours(self) -> re.Pattern[str]:
        """What is left as it is, an address, or a name where a host stands: `ctl` is a plain word.

        A name counts in a URL, before a port, and with a domain, which no plain word has.
        """
        short = "|".join(re.escape(name) for name in self.names if "." not in name) or NOTHING
        full = "|".join(re.escape(name) for name in self.names if "." in name) or NOTHING
        return re.compile(
            rf"{KEPT}|(?P<address>{_pattern(self.addresses)})"
            rf"|(?P<host>(?<=@)(?:{short})(?=[:/,?\s]|$)|(?<=://)(?:{short})(?=[:/,?\s]|$)"
            rf"|(?<![\w./:-])(?:{short})(?=:\d)|(?<![\w.-])(?:{full})(?![\w-]|\.\w))"
        )

    @cached_property
    def _lost(self) -> re.Pattern[str]:
        return re.compile(rf"{KEPT}|(?P<address>{_pattern(self.lost)})")

    def replaced(self, value: str) -> str:
        """*value* with the source's own addresses, and names of hosts, as they are on the target.

        What a URL has before its host or behind it stays: a password may look like an address.
        """

        def other(found: re.Match[str]) -> str:
            if found["address"]:
                return self.addresses[found["address"]]
            return self.names[found["host"]] if found["host"] else found[0]

        return self._ours.sub(other, value)

    def named(self, value: str) -> list[str]:
        """Addresses and names of the source's core in *value*, with a counterpart or not."""
        found = self._ours.finditer(value)
        return sorted({*self.unmapped(value), *(one[0] for one in found if one.lastgroup)})

    def unmapped(self, value: str) -> list[str]:
        """Addresses of the source in *value* that have no counterpart."""
        return sorted({one["address"] for one in self._lost.finditer(value) if one["address"]})


def _pattern(addresses: Iterable[str]) -> str:
    listed = "|".join(re.escape(address) for address in addresses) or NOTHING
    return rf"(?<![\d.])(?:{listed})(?![\d]|\.\d)"


def facts(host: Host) -> tuple[str, list[IPv4Interface], dict[str, str]]:
    """The name that *host* gives itself, its addresses without loopback, and its other names.

    Those are the names that it knows addresses by, its own and others', each with the address.
    """
    told = onhost.call(host, "addresses.facts")
    addresses = [IPv4Interface(address) for address in told["addresses"]]
    return str(told["name"]), addresses, dict(told["aliases"])


def counterpart(context: Context, index: int) -> Host:
    """The source controller whose files target controller *index* takes."""
    controllers = context.source.controllers
    return controllers[min(index, len(controllers) - 1)]


def of(context: Context, index: int) -> Mapping:
    """How target controller *index* replaces its source controller, and the others the others.

    A source controller's other networks are matched by subnet. What is left is `lost`. A database's
    own host is the target's database by each of its addresses and names, whoever gives them.
    """
    shared = {str(one.address) for one in context.source.virtual_ips}
    targets = context.target.controllers
    own = counterpart(context, index)
    known = {host.name: facts(host) for host in (*context.source.core, *targets)}
    addresses: dict[str, str] = {}
    names: dict[str, str] = {}
    lost: set[str] = set()
    for place, source in enumerate(context.source.controllers):
        target = targets[index if source is own else min(place, len(targets) - 1)]
        name, interfaces, aliases = known[source.name]
        own_addresses = {str(one.ip) for one in interfaces} - shared
        also = {one for one, at in aliases.items() if at in own_addresses or at.startswith("127.")}
        names |= dict.fromkeys({name, source.name, *also}, known[target.name][0])
        addresses[source.address] = target.address
        for interface in interfaces:
            address = str(interface.ip)
            if address in shared or address in addresses or interface.network.prefixlen == 32:
                continue
            near = (one.ip for one in known[target.name][1] if one.ip in interface.network)
            same = [one for one in map(str, near) if one not in shared]
            if len(same) == 1:
                addresses[address] = same[0]
            else:
                lost.add(address)
    for server in context.source.databases:
        there = context.target.database
        name, interfaces, _ = known[server.name]
        own_addresses = {server.address, *(str(one.ip) for one in interfaces)} - shared
        also = {
            one
            for host in context.source.core
            for one, at in known[host.name][2].items()
            if at in own_addresses
        }
        names |= dict.fromkeys({name, server.name, *also}, known[there.name][0])
        addresses |= dict.fromkeys(own_addresses, there.address)
    return Mapping(addresses, names, frozenset(lost))
