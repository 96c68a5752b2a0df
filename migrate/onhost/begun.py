"""Between `mariadb-dump` and what takes it: says "begun" by stderr when its snapshot is open.

That is when the dump names its first database. It runs by its text alone, in the argument of
`python3 -c`, since stdin carries the dump.
"""

import os
import shutil
import sys


def main() -> None:
    """Pass everything on."""
    head = b""
    while b"Current Database" not in head:
        part = os.read(0, 65536)
        if not part:
            break
        head += part
    sys.stderr.write("begun\n")
    sys.stderr.flush()
    sys.stdout.buffer.write(head)
    shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer, 1 << 20)


if __name__ == "__main__":
    main()
