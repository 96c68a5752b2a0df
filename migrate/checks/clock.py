"""The hosts agree on the time: heartbeats and tokens of one are judged by another."""

import time
from collections.abc import Iterator

from migrate.cloud import Context, hosts
from migrate.cloud.host import Host
from migrate.engine.finding import Finding, error, warning

NOTICED, FORBIDDEN = 1.0, 5.0  # seconds apart


def run(context: Context) -> Iterator[Finding]:
    """Hosts whose clock is off, each against the middle one of all clocks."""
    found = hosts.gather(context.hosts, offset)
    middle = sorted(value for value, _ in found)[len(found) // 2]
    for host, (value, doubt) in zip(context.hosts, found, strict=True):
        off = value - middle
        sure = abs(off) - doubt
        if sure > NOTICED:
            yield (error if sure > FORBIDDEN else warning)(
                f"its clock is {abs(off):.1f} s {'ahead' if off > 0 else 'behind'}",
                "Run an NTP client there and wait until the clocks agree",
                host.name,
            )


def offset(host: Host) -> tuple[float, float]:
    """The host's clock minus the operator's, and how far that may be wrong, in seconds."""
    before = time.time()
    theirs = float(host.run("date", "+%s.%N", timeout=15))
    after = time.time()
    return theirs - (before + after) / 2, (after - before) / 2
