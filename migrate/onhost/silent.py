"""A virtual IP that has left, for the sockets that it has here still: nobody outside may notice.

It stands on `lo`, where what came before goes on. What this host itself begins goes to the new
holder: an address of its own is the kernel's nearest, so its local route goes, and rules of ours
say which packets are meant for the sockets here.
"""

from typing import Any

from migrate.onhost import record, undo
from migrate.onhost.addresses import ip
from migrate.onhost.systemd import run

RECORD, SETTINGS = "silent", "silent-settings"
QUIET = {
    "net.ipv4.conf.all.arp_ignore": 1,
    "net.ipv4.conf.all.arp_announce": 2,
    # without it the first address of an interface takes all others of its network with it
    "net.ipv4.conf.all.promote_secondaries": 1,
}
HERE, THERE = "5950", "5951"  # routing tables: to the sockets here, to the new holder
# rules: what is within this host already, also of a proxy before the proxy; what begins; the rest
WITHIN, LOOPED, OUT, IN = RULES = range(5950, 5954)

Way = Any  # as in flows.py


def carry(ways: list[Way]) -> None:
    """Let it be silent here, beside the interface that has it still; safe to repeat."""
    record.once(RECORD, lambda: {"ways": ways})
    undo.note_settings(SETTINGS, list(QUIET))
    for name, least in QUIET.items():
        undo.put_setting(name, str(max(least, int(undo.setting(name)))))
    ours = {(one["priority"], one.get("dst")) for one in ip("rule", "show")}
    lines = []
    for way in ways:
        address, peer, device = way["address"], way["peer"], way["device"]
        there = f"via {peer} dev {device} src {way['own']} onlink"
        lines += [
            f"address replace {address}/32 dev lo",
            f"route replace local {address} dev lo table {HERE}",
            f"route replace {address} {there} table {THERE}",
        ]
        for number, rule in (
            (WITHIN, f"iif lo from {address} to {address} lookup {HERE}"),
            (LOOPED, f"iif lo from 127.0.0.0/8 to {address} lookup {HERE}"),
            (OUT, f"iif lo to {address} lookup {THERE}"),
            (IN, f"to {address} lookup {HERE}"),
        ):
            if (number, address) not in ours:
                lines.append(f"rule add pref {number} {rule}")
    _batch(lines)
    addresses = {way["address"] for way in ways}
    _batch(
        [
            f"route del local {one['dst']} dev {one['dev']} table local"
            for one in ip("route", "show", "table", "local")
            if one["dst"] in addresses
        ]
    )


def carried() -> bool:
    """Whether anything of it is here, or was before a boot."""
    return record.load(RECORD) is not None


def leads_on(address: str) -> bool:
    """Whether *address* is here for what came before alone: what begins goes to the new holder."""
    kept = record.load(RECORD) or {"ways": []}
    return address in {way["address"] for way in kept["ways"]}


def put_down() -> None:
    """Nothing of it left; what came before has ended, or ends with it."""
    kept = record.load(RECORD)
    if kept is None:
        return
    addresses = [way["address"] for way in kept["ways"]]
    for link in ip("-4", "address", "show", "dev", "lo"):
        for one in link["addr_info"]:
            if one["local"] in addresses:
                run("ip", "address", "del", f"{one['local']}/{one['prefixlen']}", "dev", "lo")
    for one in ip("rule", "show"):
        if one["priority"] in RULES:
            run("ip", "rule", "del", "pref", str(one["priority"]))
    for table in (HERE, THERE):
        run("ip", "route", "flush", "table", table, check=False)  # one never filled is an error
    undo.undo(SETTINGS)
    record.forget(RECORD)


def _batch(lines: list[str]) -> None:
    if lines:
        run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")
