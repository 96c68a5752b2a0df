"""The client that never stops: it writes stamped blocks into a volume while the cluster changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from migrate.cloud import wait
from tests.lab.ceph import cluster
from tests.lab.remote import ssh
from tests.lab.settings import CephLab

PROGRAM, OUTPUT, UNIT = "/root/writer.py", "/root/writer.out", "writer"


@dataclass(slots=True)
class Written:
    """What became of its blocks; each gap is the time of its end and its seconds."""

    written: int = 0
    compared: int = 0  # how many were read again: the volume holds that many
    bad: int = 0
    gaps: list[tuple[float, float]] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """Seconds of the longest gap that was told."""
        return max((seconds for _, seconds in self.gaps), default=0.0)


@contextmanager
def writing(rig: CephLab) -> Iterator[Written]:
    """It writes meanwhile; what it found is there when the block has ended."""
    found = Written()
    _start(rig)
    try:
        yield found
    finally:
        ssh(rig, rig.client, f"systemctl stop {UNIT}; rm -f {PROGRAM}")
    said = json.loads(ssh(rig, rig.client, f"tail -n 1 {OUTPUT}"))
    found.written, found.compared, found.bad = said["written"], said["compared"], said["bad"]
    found.gaps = [(at, seconds) for at, seconds in said["gaps"]]


def _start(rig: CephLab) -> None:
    program = (cluster.FILES / "writer.py").read_text()
    cluster.put(rig, rig.client, {PROGRAM: program})
    ssh(rig, rig.client, "rbd --id cinder rm --no-progress volumes/live 2>/dev/null || true")
    unit = f"--unit={UNIT} --collect -p StandardOutput=truncate:{OUTPUT} -p TimeoutStopSec=60"
    ssh(rig, rig.client, f"systemd-run -q {unit} python3 {PROGRAM}")
    wait.until(
        lambda: "writing" in ssh(rig, rig.client, f"cat {OUTPUT} 2>/dev/null || true"),
        30,
        f"the writer on {rig.client} does not begin; see {OUTPUT} there",
    )
