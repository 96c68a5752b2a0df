"""An address of one host that another takes over for good: given up here, carried there.

Each is a unit of ours, from the first moment of each boot on: the host's own configuration of its
network may still have what was given up, and takes away what it has not, whenever it is applied.
"""

import ipaddress
import os
from collections.abc import Iterable
from typing import Any

from migrate.onhost import arp, disk, sockets, systemd, virtual_ip
from migrate.onhost.addresses import ip

GIVEN, CARRIED = "sidestep-address-given.service", "sidestep-address-carried.service"
UNIT = """# Written by sidestep.
[Unit]
Description={why} (sidestep)
{order}

[Service]
ExecStart=/bin/sh -c '{{ ip -4 monitor address & sleep 1; echo; wait; }} \\
 | while read -r line; do {script}; done'
ExecStartPost=/bin/sh -c '{script}'
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
FIRST = (
    "DefaultDependencies=no\nWants=network-pre.target\nAfter=local-fs.target\n"
    "Conflicts=shutdown.target\nBefore=network-pre.target shutdown.target"
)
ONLINE = "Wants=network-online.target\nAfter=network-online.target\nBefore={units}"
# without promotion the first address of an interface takes with it all others of its network
GIVE_UP = (
    "ip -o -4 address show to {address} scope global | while read -r n device f found rest; do "
    "echo 1 >/proc/sys/net/ipv4/conf/$$device/promote_secondaries; "
    "ip address del $$found dev $$device; done"
)
CARRY = (
    "ip -o -4 address show dev {device} to {address} | grep -q . "
    "|| ip address replace {address}/{prefix} dev {device}"
)


def standing(address: str) -> dict[str, Any]:
    """Where it is, and who would miss it: programs by how, and routes that leave from it.

    {"devices": ["eth0"], "at": [...], "everywhere": [...], "from": [...], "routes": ["default"]}
    """
    rows = sockets.listening()
    who = [(row["address"], row["program"] or f"port {row['port']}") for row in rows]
    ports = {row["port"] for row in rows}
    opened = [
        one
        for one in sockets.every("state", "established", "src", address)
        if one.here[1] not in ports
    ]
    routes = ip("-4", "route", "show", "table", "all")
    return {
        "devices": [one["device"] for one in virtual_ip.addresses([address])],
        "at": sorted({name for place, name in who if place == address}),
        "everywhere": sorted({name for place, name in who if not place}),
        "from": sorted({n for one in opened for n in one.holders.values() or ["the kernel"]}),
        "routes": [
            one["dst"]
            for one in routes
            if one.get("prefsrc") == address and one.get("protocol") != "kernel"
        ],
    }


def place(address: str) -> dict[str, Any]:
    """Which interface here is in its network: {"device": "eth0", "prefix": 24}; {} if none."""
    for link in ip("-4", "address", "show"):
        for one in link["addr_info"] if link["ifname"] != "lo" else []:
            near = ipaddress.ip_interface(f"{one['local']}/{one['prefixlen']}").network
            if near.num_addresses > 1 and ipaddress.ip_address(address) in near:
                return {"device": link["ifname"], "prefix": one["prefixlen"]}
    return {}


def give_up(address: str) -> None:
    """Take it from this host, now and after each boot."""
    why = f"{address} is another host's now"
    _run(GIVEN, why, GIVE_UP.format(address=address), FIRST)
    if left := virtual_ip.addresses([address]):
        raise RuntimeError(f"{address} is still on {left[0]['device']}: take it from there")


def given(address: str) -> bool:
    """Whether it is gone, also after a boot."""
    return systemd.is_set_up(GIVEN) and not virtual_ip.addresses([address])


def carry(address: str, before: Iterable[str]) -> None:
    """Let this host have it, now and after each boot, then before the units *before*."""
    where = place(address)
    if not where:
        raise RuntimeError(f"no interface here is in the network of {address}")
    why = f"{address} was another host's before"
    order = ONLINE.format(units=" ".join(before))
    _run(CARRIED, why, CARRY.format(address=address, **where), order)
    arp.announce(where["device"], address)


def carried(address: str) -> bool:
    """Whether it is here, also after a boot."""
    return systemd.is_set_up(CARRIED) and bool(virtual_ip.addresses([address]))


def _run(unit: str, why: str, script: str, order: str) -> None:
    text = UNIT.format(why=why, script=script, order=order)
    disk.write(os.path.join(systemd.UNITS, unit), text, 0o644)
    systemd.run("systemctl", "daemon-reload")
    systemd.run("systemctl", "enable", "--quiet", unit)
    systemd.run("systemctl", "restart", unit)
