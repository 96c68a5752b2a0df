"""A load on the cloud, as a process of its own, that writes down every call and every ping.

python -m tests.lab load start|stop|show

Three kinds of thing are recorded in `load.jsonl` of the lab's folder, one line a call:
    probe NAME  2.5 Hz, the version page of every API: cheap, so outages are seen exactly
    ping ADDRESS 10 Hz, every server by each of its addresses
    anything else: a call with a token, reading or writing, once in sixteen seconds

Three of a kind may wait for an answer; meanwhile no more of that kind begin, pings excepted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.nspawn import process
from tests.lab import content, leftovers
from tests.lab.settings import Lab

ROOT = Path(__file__).parents[2]


def start(lab: Lab) -> None:
    """Start the load, unless it runs; it outlives this process."""
    if process.alive(_pid(lab)):
        return
    with (lab.home / "load.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.loading.run", str(lab.home)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"SIDESTEP_LAB": str(lab.home)},
        )
    process.remember(_pid(lab), child.pid)


def stop(lab: Lab, seconds: float = 60) -> None:
    """End the load; it deletes what it made first. Safe when there is none."""
    deadline = time.monotonic() + seconds
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for pid in leftovers.loads(lab):
            os.kill(pid, sent)
        while leftovers.loads(lab) and time.monotonic() < deadline:
            time.sleep(0.05)
    process.forget(_pid(lab))


def is_running(lab: Lab) -> bool:
    """Whether the load is at work."""
    return process.alive(_pid(lab))


def records(lab: Lab, since: float = 0) -> Iterator[dict[str, Any]]:
    """Every recorded call that began after *since* (seconds of the epoch)."""
    return read(path(lab), since)


def read(record: Path, since: float = 0) -> Iterator[dict[str, Any]]:
    """The calls in the file *record*; a line that is still being written is left out."""
    if not record.exists():
        return
    with record.open() as lines:
        for line in lines:
            if line.endswith("\n") and (call := json.loads(line))["at"] >= since:
                yield call


def path(lab: Lab) -> Path:
    """Where the calls are written down."""
    return lab.home / "load.jsonl"


def addresses(lab: Lab) -> list[str]:
    """Every address of every server of the content."""
    servers = content.told(lab)["servers"].values()
    return [server[kind] for server in servers for kind in ("fixed", "floating") if server[kind]]


def _pid(lab: Lab) -> Path:
    return lab.home / "load.pid"
