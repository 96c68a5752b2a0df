"""Names and addresses as this host knows them."""

import json
import socket
from typing import Any

from migrate.onhost import disk
from migrate.onhost.systemd import run


def facts() -> dict[str, Any]:
    """What this host calls itself, its IPv4 addresses without loopback, and names it knows.

    {"name": "ctl", "aliases": [["ctl.example", "10.0.0.11"]], "addresses": ["10.0.0.11/24"]}
    """
    known = [line.partition("#")[0].split() for line in disk.text("/etc/hosts").split("\n")]
    return {
        "name": socket.gethostname(),
        "aliases": [
            [name, line[0]]
            for line in [*known, ["127.0.0.1", socket.getfqdn()]]
            for name in line[1:8]
            if not name.startswith(("localhost", "ip6-"))
        ],
        "addresses": [
            f"{one['local']}/{one['prefixlen']}"
            for link in ip("-4", "address", "show")
            if link["ifname"] != "lo"
            for one in link["addr_info"]
        ],
    }


def own() -> list[str]:
    """Every address of this host that others may see."""
    links = ip("address", "show", "scope", "global")
    return [one["local"] for link in links for one in link["addr_info"] if "local" in one]


def resolved(names: list[str]) -> dict[str, list[str]]:
    """Every address, of both families, that each of *names* stands for here; [] for none."""
    found: dict[str, list[str]] = {}
    for name in names:
        try:
            told = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # of a name that cannot be one
            told = []
        found[name] = sorted({str(one[4][0]) for one in told}, key=lambda one: (":" in one, one))
    return found


def ip(*argv: str) -> Any:
    """What `ip` answers, as JSON."""
    return json.loads(run("ip", "-j", *argv) or "[]")
