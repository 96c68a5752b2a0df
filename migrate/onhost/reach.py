"""What of other hosts can be reached from here."""

from __future__ import annotations

import errno
import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

from migrate.onhost import addresses, disk

HEADERS = 28  # of IPv4 and ICMP
LARGEST = 65507  # that ping sends
SHARE = re.compile(r"\S+ (\S+) nfs4? \S*?\baddr=([^,\s]+)")


def ports(asked: list[list[object]]) -> list[str]:
    """What comes of a connection to each of *asked*, [["10.0.0.12", 5672]]: "open" or why not.

    One that is "refused" has reached the host: the daemon listens only later.
    """
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(_port, asked))


def _port(one: list[object]) -> str:
    try:
        socket.create_connection((str(one[0]), int(str(one[1]))), timeout=3).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__) if error.errno else "timeout"
    return "open"


def packets(asked: list[str]) -> list[str]:
    """Whether packets as large as the link's MTU come to each address of *asked*, in one piece.

    "whole", the size that gets lost where small ones do not, or "unknown": no ping is answered.
    """
    if not asked or not shutil.which("ping"):
        return ["unknown"] * len(asked)
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(_packets, asked))


def _packets(address: str) -> str:
    link = addresses.ip("route", "get", address)[0]["dev"]
    size = min(int(disk.text(f"/sys/class/net/{link}/mtu")) - HEADERS, LARGEST)
    if _answers(address, "-M", "do", "-s", str(size)):
        return "whole"
    return str(size) if _answers(address) else "unknown"


def _answers(address: str, *options: str) -> bool:
    argv = ("ping", "-c", "2", "-W", "2", *options, address)
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def shares() -> list[list[str]]:
    """Folders that are NFS shares, and who serves them: [["/mnt/x", "10.0.0.9"]]."""
    return shared(disk.text("/proc/mounts"))


def shared(mounts: str) -> list[list[str]]:
    """The same, of the kernel's list of *mounts*."""
    return [list(found) for found in SHARE.findall(mounts)]
