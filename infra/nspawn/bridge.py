"""A private bridge on this host, and the way out for the machines on it.

Machines install packages themselves, so the bridge's network is masqueraded behind the host's own
address. What this changes on the host (two sysctls, one nftables table) is put back when the last
bridge goes.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from infra.nspawn.command import attempt, run

# bridged frames must not pass the host's packet filter: its NAT table would track every guest's
SYSCTLS = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "0"}
REMEMBERED = Path("/run/sidestep/sysctls.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge by name and the host's own address on it, such as "10.77.0.1/24"."""

    name: str
    address: str

    @property
    def table(self) -> str:
        """Name of the nftables table that belongs to this bridge."""
        return "sidestep_" + self.name.replace("-", "_")


def mac(name: str, card: str) -> str:
    """The hardware address of a card: the same each time the machine or bridge is made."""
    value = hashlib.sha256(f"{name} {card}".encode()).digest()
    return "02:" + ":".join(f"{byte:02x}" for byte in value[:5])


def exists(bridge: Bridge) -> bool:
    """Whether the host has the bridge, up and with its address."""
    shown = attempt("ip", "-o", "addr", "show", "dev", bridge.name, "up").stdout
    return f" {bridge.address} " in shown


def create(bridge: Bridge) -> None:
    """Make the bridge, or mend it; safe to repeat."""
    if not Path("/sys/class/net", bridge.name).exists():
        # with an address of its own, else it takes that of a card that may go
        own = mac(bridge.name, "bridge")
        run(
            "ip", "link", "add", bridge.name, "address", own, "type", "bridge", "forward_delay", "0"
        )
    run("ip", "addr", "replace", bridge.address, "dev", bridge.name)
    run("ip", "link", "set", bridge.name, "up")
    _set_sysctls()
    network = ipaddress.ip_interface(bridge.address).network
    rule = f'ip saddr {network} oifname != "{bridge.name}" masquerade'
    chain = f"chain out {{ type nat hook postrouting priority 100; {rule}; }}"
    run(
        "nft",
        "-f",
        "-",
        stdin=f"{_forget_table(bridge)}\ntable ip {bridge.table} {{\n{chain}\n}}\n",
    )


def delete(bridge: Bridge) -> None:
    """Remove the bridge and what came with it, whatever there is of it."""
    attempt("nft", "-f", "-", stdin=_forget_table(bridge))
    attempt("ip", "link", "del", bridge.name)
    if "sidestep_" not in attempt("nft", "list", "tables").stdout:
        _restore_sysctls()


def _forget_table(bridge: Bridge) -> str:
    # declared first, so that deleting it cannot fail
    return f"table ip {bridge.table} {{ }}\ndelete table ip {bridge.table}"


def _set_sysctls() -> None:
    present = {key: Path("/proc/sys", key) for key in SYSCTLS}
    before = {key: path.read_text().strip() for key, path in present.items() if path.exists()}
    if not REMEMBERED.exists():
        REMEMBERED.parent.mkdir(parents=True, exist_ok=True)
        REMEMBERED.write_text(json.dumps(before))
    for key in before:
        present[key].write_text(SYSCTLS[key])


def _restore_sysctls() -> None:
    if not REMEMBERED.exists():
        return
    for key, value in json.loads(REMEMBERED.read_text()).items():
        Path("/proc/sys", key).write_text(value)
    REMEMBERED.unlink()
    if not any(REMEMBERED.parent.iterdir()):
        REMEMBERED.parent.rmdir()
