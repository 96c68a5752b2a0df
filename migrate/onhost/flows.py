"""Whose a TCP connection is while a virtual IP moves: each host passes on what is not its own.

The new holder knows the connections that began on it by their first packet, and passes all others
back to the old one, which has their sockets. The old one passes on those that begin from the moment
on in which its table stands. So it does not matter to whom a packet comes, nor when neighbours
learn who has the address. Nothing is tracked by the kernel, whose tracking takes a connection that
begins with its last packet for broken and leaves it standing here.
"""

import os
from collections.abc import Iterable
from typing import Any

from migrate.onhost import sockets
from migrate.onhost.addresses import ip
from migrate.onhost.systemd import run

GIVES, TAKES = "migrate_gives", "migrate_takes"
BEGUN = "{ ip saddr . tcp sport . ip daddr . tcp dport }"
BEGINS = "tcp flags & (syn | ack) == syn"
TABLE = """
table ip {other}
delete table ip {other}
table ip {role} {{
    set begun {{
        type ipv4_addr . inet_service . ipv4_addr . inet_service
        flags dynamic
        size 1048576
{elements}    }}
{chains}    chain arriving {{
        # before anything else looks at them, a proxy that is fed by rules too
        type filter hook prerouting priority -310; policy accept;
        iifname "lo" accept
{jumps}    }}
}}
"""
CHAINS = """    chain pass_{number} {{
        counter dup to {peer} device "{device}"
        drop
    }}
    chain to_{number} {{
        {begins} add @begun {begun}
{judged}    }}
"""
JUDGED = {
    TAKES: ("{begins} accept", "{known} @begun accept", "goto pass_{number}"),
    GIVES: ("{begins} goto pass_{number}", "{known} @begun goto pass_{number}", "accept"),
}

Way = Any  # {"address": the virtual one, "device": ..., "own": ..., "peer": the other host's own}


def rules(role: str, ways: list[Way], near: list[str], begun: Iterable[str] = ()) -> str:
    """The table of a host that *role*; it takes the place of that of the other role at once.

    Packets from *near* are its own always; *begun* are connections that it has already, as
    elements of the set.
    """
    chains, jumps = "", ""
    if near:
        jumps += f"        ip saddr {{ {', '.join(near)} }} accept\n"
    for number, way in enumerate(ways):
        words = {"number": number, "begins": BEGINS, "known": BEGUN.strip("{} "), "begun": BEGUN}
        judged = "".join(f"        {line.format(**words)}\n" for line in JUDGED[role])
        chains += CHAINS.format(**words, peer=way["peer"], device=way["device"], judged=judged)
        jumps += f"        ip daddr {way['address']} ip protocol tcp goto to_{number}\n"
    listed = ", ".join(begun)
    elements = f"        elements = {{ {listed} }}\n" if listed else ""
    other = TAKES if role == GIVES else GIVES
    return TABLE.format(other=other, role=role, elements=elements, chains=chains, jumps=jumps)


def standing() -> str:
    """Which table of ours stands here, "" for none."""
    if not _nft():
        return ""
    tables = run(_nft(), "list", "tables", "ip", check=False).split()
    return next((role for role in (TAKES, GIVES) if role in tables), "")


def install(role: str, ways: list[Way], near: list[str]) -> None:
    """Put the table in, if it is not there: a second one would not know what has begun since."""
    if standing() != role:
        kept = _own(ways) if role == TAKES else ()
        run(_nft(), "-f", "-", stdin=rules(role, ways, near, kept))


def remove() -> None:
    """No table of ours any more: every packet is this host's."""
    if role := standing():
        run(_nft(), "delete", "table", "ip", role)


def obstacle(ways: list[Way]) -> str:
    """Why this host could not pass connections on by *ways*; "" when it can."""
    if not _nft():
        return "nft is not installed"
    for role in (TAKES, GIVES):
        text = rules(role, ways, [])
        try:
            run(_nft(), "-c", "-f", "-", stdin=text)
        except RuntimeError as error:
            return f"its packet filter cannot do that: {error}"
    for way in ways:
        told = ip("route", "get", way["peer"])[0]
        if "gateway" in told or told["dev"] != way["device"]:
            return f"{way['peer']} is not on its {way['device']}, where {way['address']} is"
    return ""


def ends(wanted: list[str], preferred: dict[str, str], own: str) -> dict[str, Any]:
    """Where each of *wanted* is or would be here: {address: {"device": ..., "own": ...}}.

    The device that carries it, else that of *preferred*, else that of *own*; there the address
    *own*, or another of this host's. One without both is left out.
    """
    links = {
        link["ifname"]: [one["local"] for one in link["addr_info"]]
        for link in ip("-4", "address", "show")
        if link["ifname"] != "lo"
    }
    found = {}
    for address in wanted:
        order = sorted(
            links,
            key=lambda n: (address not in links[n], n != preferred[address], own not in links[n]),
        )
        for device in order[:1]:
            mine = sorted(set(links[device]) - set(wanted), key=lambda one: one != own)
            if mine:
                found[address] = {"device": device, "own": mine[0]}
    return found


def left(wanted: list[str]) -> list[str]:
    """The connections that others have to *wanted* here, for people."""
    return [f"{there[0]}:{there[1]} to {here[0]}:{here[1]}" for here, there in _of_others(wanted)]


def cut(wanted: list[str]) -> int:
    """End what is left: at once, and not when somebody's patience ends; how many they were."""
    count = len(_of_others(wanted))
    for address in wanted:
        for side in ("src", "dst"):  # those of this host with itself too
            run("ss", "-K", side, address, check=False)
    return count


def _of_others(wanted: list[str]) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    mine = {one["local"] for link in ip("-4", "address", "show") for one in link["addr_info"]}
    found = []
    for state in ("established", "close-wait"):  # others have nothing more to bring
        for one in sockets.every("state", state):
            if one.here[0] in wanted and one.there[0] not in mine:
                found.append((one.here, one.there))
    return found


def _own(ways: list[Way]) -> list[str]:
    """What this host serves already, as elements."""
    found = _of_others([way["address"] for way in ways])
    return [f"{there[0]} . {there[1]} . {here[0]} . {here[1]}" for here, there in found]


def _nft() -> str:
    paths = ("/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft")
    return next((path for path in paths if os.access(path, os.X_OK)), "")
