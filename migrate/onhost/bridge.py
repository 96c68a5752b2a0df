"""Between stdin and stdout and the unix socket that the first argument names, until either ends.

It runs by its text alone, in the argument of `python3 -c`, since stdin carries the traffic.
"""

import os
import select
import socket
import sys
from typing import Any


def main(path: str) -> None:
    """Carry bytes both ways."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    ends: list[Any] = [0, link]
    while True:
        for one in select.select(ends, [], [])[0]:
            data = os.read(0, 65536) if one == 0 else link.recv(65536)
            if not data:
                return
            if one == 0:
                link.sendall(data)
            else:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
