"""Writes an initramfs: the "newc" cpio format, so that no cpio program is needed."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator
from pathlib import Path

CONSOLE = (5, 1)


def write(root: Path, target: Path) -> None:
    """Pack the tree *root*, and a console device, into *target*, compressed."""
    with gzip.GzipFile(target, "wb", mtime=0) as packed:
        for number, entry in enumerate(_entries(root), 1):
            packed.write(_encode(number, *entry))


def _entries(root: Path) -> Iterator[tuple[str, int, bytes, tuple[int, int]]]:
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content = b""
        if stat.S_ISLNK(mode):
            content = str(path.readlink()).encode()
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        yield str(path.relative_to(root)), mode, content, (0, 0)
    yield "dev/console", stat.S_IFCHR | 0o600, b"", CONSOLE
    yield "TRAILER!!!", 0, b"", (0, 0)


def _encode(number: int, name: str, mode: int, content: bytes, device: tuple[int, int]) -> bytes:
    raw = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)
