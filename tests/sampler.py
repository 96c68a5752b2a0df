"""Looks at every process of this machine, its containers' too, for words that must not be there.

    python -m tests.sampler RESULT < WORDS       until it gets SIGTERM

WORDS and RESULT are JSON. A process is looked at every 20 ms: its arguments, and its environment
where that changed with its program. RESULT says what was seen:

    {"samples": 812, "processes": 3120, "machines": ["rig-old", ...],
     "found": [["arguments", "mariadb --password=...", "0", "rig-old"]], "seconds": 41.0}
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAUSE = 0.02
OFTEN = 50  # looks at a new process; an old one each so many samples


def watch(words: list[bytes], over: threading.Event) -> dict[str, Any]:
    """Sample until *over*; what was seen."""
    seen: dict[tuple[str, bytes], None] = {}
    machines: set[str] = set()
    found: dict[tuple[str, str, str, str], None] = {}
    samples, last = 0, 0
    young: dict[str, int] = {}  # looks at each: one may still become another program
    while not over.wait(PAUSE):
        born, last = _born(last)
        young = {name: looks + 1 for name, looks in young.items() if looks < OFTEN}
        young |= dict.fromkeys(born, 0)
        if samples % OFTEN == 0:  # who is old, by now perhaps another program, or was missed
            listed = os.listdir("/proc")  # noqa: PTH208
            young = dict.fromkeys(filter(str.isdigit, listed), OFTEN) | young
        samples += 1
        for name in list(young):
            process = Path("/proc", name)
            try:
                arguments = (process / "cmdline").read_bytes()
                if not arguments or (process.name, arguments) in seen:
                    continue
                seen[process.name, arguments] = None
                where, owner = _machine(process), (process / "status").read_text()
                machines.add(where)
                user = re.search(r"(?m)^Uid:\t(\d+)", owner)
                kinds = {"arguments": arguments, "environment": (process / "environ").read_bytes()}
            except OSError:
                del young[name]  # it has ended
                continue
            for kind, text in kinds.items():
                for word in words:
                    if word in text:
                        told = arguments.replace(b"\0", b" ").decode(errors="replace")[:300]
                        found[kind, told, user[1] if user else "", where] = None
    return {
        "samples": samples,
        "processes": len(seen),
        "machines": sorted(machines),
        "found": [list(one) for one in found],
    }


def _born(last: int) -> tuple[list[str], int]:
    """Processes and threads that began since number *last*, and the newest number there is.

    The kernel tells it in a line; to list all processes 50 times a second costs a core's tenth.
    """
    newest = int(Path("/proc/loadavg").read_text().rpartition(" ")[2])
    if newest < last:  # the numbers began anew: the next list of all has those between
        return [str(one) for one in range(1, newest + 1)], newest
    return [str(one) for one in range(last + 1, newest + 1)] if last else [], newest


def _machine(process: Path) -> str:
    """The container that *process* runs in, by its own host name; "" for this machine."""
    try:
        return (process / "root/etc/hostname").read_text().strip()
    except OSError:
        return ""


class Sampling:
    """A sampler at work; `seen` once it has ended."""

    seen: dict[str, Any]


@contextmanager
def sampling(words: list[str], result: Path) -> Iterator[Sampling]:
    """A sampler process of its own for as long as the block lasts."""
    command = [sys.executable, "-m", "tests.sampler", str(result)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps(words))
    process.stdin.close()
    one = Sampling()
    try:
        yield one
    finally:
        process.terminate()
        process.wait(30)
        one.seen = json.loads(result.read_text())


def main(result: str) -> None:
    """Watch until SIGTERM."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    words = [word.encode() for word in json.load(sys.stdin)]
    began = time.time()
    seen = watch(words, over)
    Path(result).write_text(json.dumps({**seen, "seconds": round(time.time() - began, 1)}))


if __name__ == "__main__":
    main(sys.argv[1])
