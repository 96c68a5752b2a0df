"""Who carries an address, asked on the wire: ARP probes that leave no trace in anybody's cache."""

import select
import socket
import struct
import time

from migrate.onhost.addresses import ip

EVERYBODY = b"\xff" * 6
ASK, ANSWER = 1, 2
LATE_SECONDS = 1.0


def ask(interface: str, address: str, seconds: float) -> list[str]:
    """The hardware addresses that answer for *address* on *interface*, other than our own."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    wire.bind((interface, 0x0806))
    own = wire.getsockname()[4]
    wanted = socket.inet_aton(address)
    # nobody is claimed, so that no cache changes
    probe = EVERYBODY + own + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, ASK)
    probe += own + b"\0" * 4 + b"\0" * 6 + wanted
    found = set()
    began = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - began) < seconds + LATE_SECONDS:
        if sent < 3 and passed >= sent * seconds / 4:  # a single probe may be lost
            wire.send(probe)
            sent += 1
        if select.select([wire], [], [], 0.02)[0]:
            frame = wire.recv(128)
            kind, sender, claimed = struct.unpack("!20xH6s4s10x", frame[:42])
            if kind == ANSWER and claimed == wanted:
                found.add(sender)
        elif passed >= seconds:  # what came while a busy host kept us waiting has been read too
            break
    wire.close()
    return sorted(mac.hex(":") for mac in found - {own})


def announce(interface: str, address: str) -> None:
    """Tell everybody on *interface* that *address* is ours, whatever they keep of it."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    wire.bind((interface, 0x0806))
    own, its = wire.getsockname()[4], socket.inet_aton(address)
    for kind in (ASK, ANSWER) * 2:  # some heed the one, some the other
        frame = EVERYBODY + own + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, kind)
        wire.send(frame + own + its + EVERYBODY + its)
        time.sleep(0.1)
    wire.close()


def interface_of(preferred: str, own_address: str) -> str:
    """*preferred* if this host has it, else the interface that carries *own_address*."""
    links = ip("-4", "address", "show")
    if any(link["ifname"] == preferred for link in links):
        return preferred
    for link in links:
        if any(one["local"] == own_address for one in link["addr_info"]):
            return str(link["ifname"])
    raise RuntimeError(f"no interface here is called {preferred} or carries {own_address}")


def hardware() -> dict[str, str]:
    """Every hardware address of this host, and the interface that has it."""
    links = ip("link", "show")
    return {link["address"]: link["ifname"] for link in links if link.get("link_type") == "ether"}
