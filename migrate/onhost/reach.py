"""What of other hosts can be reached from here."""

import errno
import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from migrate.onhost import addresses, disk

HEADERS, HEADERS_6 = 28, 48  # of ICMP, and of IPv4 or IPv6
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


def packets(asked: list[list[Any]]) -> list[dict[str, Any]]:
    """Whether a packet of so many bytes comes whole to each of *asked*, [["10.1.0.13", 1500]].

    With 0 it is as large as the route takes, or its link.

    {"size": 1500, "data": 1472, "whole": True, "path": 0}: "whole" is None where no ping is
    answered; "path" is the size that the way takes, where routers there tell and it comes through.
    """
    if not asked or not shutil.which("ping"):
        return [{"size": 0, "data": 0, "whole": None, "path": 0}] * len(asked)
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(_packets, asked))


def _packets(one: list[Any]) -> dict[str, Any]:
    address, wanted = str(one[0]), int(one[1])
    headers = HEADERS_6 if ":" in address else HEADERS
    size = min(wanted or route_mtu(address), LARGEST + headers)
    told = {"size": size, "data": size - headers, "path": 0}
    if _answers(address, "-M", "do", "-s", str(size - headers)):
        return {**told, "whole": True}
    if not _answers(address):
        return {**told, "whole": None}
    learnt = route_mtu(address)  # by now the kernel knows what routers on the way have said
    if learnt < size and _answers(address, "-M", "do", "-s", str(learnt - headers)):
        told["path"] = learnt
    return {**told, "whole": False}


def route_mtu(address: str) -> int:
    """How large a packet to *address* may be by its route, and by the link that it leaves by."""
    route = addresses.ip("route", "get", address)[0]
    given = [one["mtu"] for one in route.get("metrics", ()) if "mtu" in one]
    return min([int(disk.text(f"/sys/class/net/{route['dev']}/mtu")), *map(int, given)])


def _answers(address: str, *options: str) -> bool:
    argv = ("ping", "-c", "2", "-W", "2", *options, address)
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def shares() -> list[list[str]]:
    """Folders that are NFS shares, and who serves them: [["/mnt/x", "10.0.0.9"]]."""
    return shared(disk.text("/proc/mounts"))


def shared(mounts: str) -> list[list[str]]:
    """The same, of the kernel's list of *mounts*."""
    return [list(found) for found in SHARE.findall(mounts)]
