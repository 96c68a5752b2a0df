"""Old controllers' own addresses and names, as a compute host's files name them.

A name counts by where it leads from that host: one that leads to the virtual IP is as good as that,
and one that leads to an old controller is as bad as its address, though no controller knows it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address

from migrate.cloud import Context, addresses, named_servers
from migrate.cloud.host import Host
from migrate.cloud.ini import Ini
from migrate.engine.finding import Finding, warning
from migrate.errors import UnreachableError
from migrate.onhost import call

URL = re.compile(r"://(?:[^/\s]*@)?([\w.-]+)")


def known(context: Context) -> tuple[addresses.Mapping, list[Finding]]:
    """What is old controllers' own, and what is to be known of it."""
    try:
        return addresses.of(context, 0), []
    except UnreachableError as away:
        there, old = context.target.living, context.source.core
        found = addresses.Mapping(
            {one.address: there.address for one in old}, {one.name: there.name for one in old}
        )
        told = f"of old controllers' addresses only those of the stack file are looked for: {away}"
        return found, [warning(told, "Bring it back, or look in the hosts' files by hand")]


def as_seen(
    context: Context, host: Host, old: addresses.Mapping, texts: Mapping[str, str]
) -> addresses.Mapping:
    """*old*, with the names that *texts* of *host* hold by where they lead from there."""
    names = sorted(set(_names(old, texts)))
    if not names:
        return old
    leads: dict[str, list[str]] = call(host, "addresses.resolved", names)
    new = {str(one.address) for one in context.source.virtual_ips}
    new |= {one.address for one in context.target.controllers}
    fine = {name for name, found in leads.items() if found and new.issuperset(found)}
    bad = {name for name, found in leads.items() if old.named(" ".join(found))}
    kept = {name: there for name, there in old.names.items() if name not in fine}
    return replace(old, names=dict.fromkeys(bad, "") | kept)


def _names(old: addresses.Mapping, texts: Mapping[str, str]) -> Iterator[str]:
    """Names in *texts* that may be hosts': in URLs, of servers, and those that *old* knows."""
    found = [one.address for one in named_servers.read(texts, {})]
    for text in texts.values():
        for line in Ini.parse(text).options():
            found += [*URL.findall(line.value), *old.named(line.value)]
    return (one for one in found if not _is_address(one))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
