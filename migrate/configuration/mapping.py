"""Addresses and names of the source's controllers, and what stands in their place on the target."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface

from migrate.cloud import Context
from migrate.host import Host

READ = """
import json, socket, subprocess
links = json.loads(subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True,
                                  check=True).stdout)
result = {
    "name": socket.gethostname(),
    "addresses": [f"{one['local']}/{one['prefixlen']}" for link in links
                  for one in link["addr_info"] if link["ifname"] != "lo"],
}
"""


@dataclass(frozen=True)
class Mapping:
    """What replaces what. `lost` are addresses of the source without a counterpart."""

    addresses: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()

    @cached_property
    def _address(self) -> re.Pattern[str] | None:
        return _words(self.addresses)

    @cached_property
    def _lost(self) -> re.Pattern[str] | None:
        return _words(self.lost)

    @cached_property
    def _hosts(self) -> re.Pattern[str] | None:
        # a name counts only where a host stands in a URL or before a port: `ctl` is a plain word
        names = "|".join(re.escape(name) for name in self.names)
        return re.compile(rf"(?:(?<=@)|(?<=://))({names})(?=[:/,?\s]|$)") if names else None

    def replaced(self, value: str) -> str:
        """*value* with the source's own addresses, and names in URLs, as they are on the target."""
        if self._address:
            value = self._address.sub(lambda found: self.addresses[found[0]], value)
        if self._hosts:
            value = self._hosts.sub(lambda found: self.names[found[1]], value)
        return value

    def unmapped(self, value: str) -> list[str]:
        """Addresses of the source in *value* that have no counterpart."""
        return sorted(set(self._lost.findall(value))) if self._lost else []


def _words(addresses: Iterable[str]) -> re.Pattern[str] | None:
    listed = "|".join(re.escape(address) for address in addresses)
    return re.compile(rf"(?<![\d.])(?:{listed})(?![\d]|\.\d)") if listed else None


def facts(host: Host) -> tuple[str, list[IPv4Interface]]:
    """The name that *host* gives itself and its addresses, without loopback."""
    told = host.python(READ)
    return str(told["name"]), [IPv4Interface(address) for address in told["addresses"]]


def counterpart(context: Context, index: int) -> Host:
    """The source controller whose files target controller *index* takes."""
    controllers = context.source.controllers
    return controllers[min(index, len(controllers) - 1)]


def of(context: Context, index: int) -> Mapping:
    """How target controller *index* replaces its source controller, and the others the others.

    A source controller's other networks are matched by subnet. What is left is `lost`.
    """
    shared = {str(one.address) for one in context.source.virtual_ips}
    targets = context.target.controllers
    own = counterpart(context, index)
    known = {host.name: facts(host) for host in (*context.source.controllers, *targets)}
    addresses: dict[str, str] = {}
    names: dict[str, str] = {}
    lost: set[str] = set()
    for place, source in enumerate(context.source.controllers):
        target = targets[index if source is own else min(place, len(targets) - 1)]
        name, interfaces = known[source.name]
        names[name] = names[source.name] = known[target.name][0]
        addresses[source.address] = target.address
        for interface in interfaces:
            address = str(interface.ip)
            if address in shared or address in addresses or interface.network.prefixlen == 32:
                continue
            same = [one for one in known[target.name][1] if _same_network(one, interface, shared)]
            if len(same) == 1:
                addresses[address] = str(same[0].ip)
            else:
                lost.add(address)
    return Mapping(addresses, names, frozenset(lost))


def _same_network(one: IPv4Interface, other: IPv4Interface, shared: set[str]) -> bool:
    return one.ip in other.network and str(IPv4Address(one.ip)) not in shared
