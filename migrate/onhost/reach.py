"""Which ports of other hosts can be reached from here."""

from __future__ import annotations

import errno
import socket
from concurrent.futures import ThreadPoolExecutor


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
