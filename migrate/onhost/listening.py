"""Who listens on which TCP socket of this host, as the kernel itself says it."""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Iterable

LISTEN = "0A"


def sockets() -> dict[str, tuple[str, int]]:
    """Every listening TCP socket of this network by its inode."""
    found = {}
    for kind in ("tcp", "tcp6"):
        if not os.path.exists(f"/proc/net/{kind}"):
            continue  # a kernel without IPv6
        with open(f"/proc/net/{kind}") as stream:
            for line in stream.read().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN:
                    address, port = fields[1].split(":")
                    found[fields[9]] = (_address(address), int(port, 16))
    return found


def held(pids: Iterable[int]) -> list[tuple[str, int]]:
    """The sockets on which any of *pids* listens."""
    known = sockets()
    open_there = {inode for pid in pids for inode in inodes(pid)}
    return sorted({known[inode] for inode in open_there if inode in known})


def others(pids: Iterable[int]) -> list[tuple[str, int, str]]:
    """The sockets that somebody else than *pids* listens on, with the program's name."""
    known, ours, found = sockets(), set(pids), set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in ours:
            for inode in inodes(int(entry)) & set(known):
                found.add((*known[inode], _name(int(entry))))
    return sorted(found)


def inodes(pid: int) -> set[str]:
    """Inodes of the sockets that *pid* has open; none when it has ended."""
    found = set()
    try:
        for one in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{one}")
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[len("socket:[") : -1])
    except OSError:
        pass
    return found


def everywhere(address: str) -> bool:
    """Whether a socket at *address* hears calls for every address of the host."""
    return address in ("0.0.0.0", "::")  # noqa: S104  read, not bound


def inside(address: str) -> bool:
    """Whether nobody but this host itself can call *address*."""
    return ipaddress.ip_address(address).is_loopback


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as stream:
            return stream.read().strip()
    except OSError:
        return "?"


def _address(text: str) -> str:
    """The address that the kernel prints as 32-bit words in the machine's own order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
