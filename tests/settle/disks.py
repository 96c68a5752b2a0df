"""What is on servers' disks in the lab, and which QEMU of this machine has which of them open."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.settings import lab as this_lab

DISK = "/var/lib/nova/instances/{}/disk"
START, SIZE = "20M", "2M"  # of what is written, beyond what the image has
# of the first gibibyte, which is all of it unless the server was resized
DIGEST = """raw=$(mktemp -p /var/tmp)
qemu-img convert -U -f qcow2 -O raw "$1" "$raw"
truncate -s 1G "$raw"
sha256sum "$raw" | cut -d' ' -f1
rm "$raw"
"""
Holders = dict[tuple[int, int], set[int]]  # processes, by device and number of a file


def write(host: Any, server: str, pattern: int) -> None:
    """Put bytes of *pattern* onto the disk of *server*, which is off on *host*."""
    command = f"write -P {pattern} {START} {SIZE}"
    host.run("qemu-io", "-f", "qcow2", "-c", command, DISK.format(server))


def digest(host: Any, server: str) -> str:
    """Of what the guest sees on its own disk on *host*, whether it runs or not."""
    return str(host.shell(DIGEST, DISK.format(server), timeout=300)).strip()


def volumes() -> dict[str, str]:
    """Digests of the files on the share that stand for volumes and snapshots."""
    found = {}
    for path in sorted(this_lab().shared_volumes.glob("volume-*")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def mark(volume: str) -> None:
    """Put something onto a volume that would be missed; no guest of the lab looks at it."""
    with _file(volume).open("r+b") as file:
        file.seek(20 << 20)
        file.write(b"kept" * 1000)


def of_volume(volume: str) -> tuple[int, int]:
    """What `Holders` calls the file of *volume*."""
    found = _file(volume).stat()
    return found.st_dev, found.st_ino


def _file(volume: str) -> Path:
    return this_lab().shared_volumes / f"volume-{volume}"


def holders() -> Holders:
    """Files that a QEMU of this machine, in its containers too, has open for writing."""
    found: Holders = defaultdict(set)
    for process in Path("/proc").iterdir():
        try:
            if not (process / "comm").read_text().startswith("qemu-system"):
                continue
            opened = list((process / "fd").iterdir())
        except OSError:
            continue  # no process, or one that has ended
        for one in opened:
            try:
                info = one.stat()
                told = (process / "fdinfo" / one.name).read_text()
            except OSError:
                continue  # closed by now
            flags = int(told.partition("flags:")[2].split()[0], 8)
            if stat.S_ISREG(info.st_mode) and flags & os.O_ACCMODE != os.O_RDONLY:
                found[info.st_dev, info.st_ino].add(int(process.name))
    return dict(found)


def twice(found: Holders) -> Holders:
    return {file: by for file, by in found.items() if len(by) > 1}


class Watch:
    """What was seen of `holders`, once a second."""

    def __init__(self) -> None:
        self.looks = 0
        self.twice: Holders = {}  # files that two had open at once


@contextmanager
def watching() -> Iterator[Watch]:
    seen, over = Watch(), threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            seen.twice |= twice(holders())
            seen.looks += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
