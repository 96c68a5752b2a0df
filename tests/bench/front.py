"""What the front adds to a call: the same ones before it stands, through it, and after it left.

    python -m tests.bench.front [--calls CALLS] [--json]

The rig (tests/lab/rig.py), as new. One client calls keystone's version page through the source's
proxy, each time by a connection of its own; the ratio is of medians, in the same run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import urllib3

from migrate.takeover import front
from tests.lab.rig import using

CLOSE = {"Connection": "close"}


def measured(url: str, calls: int) -> dict[str, float]:
    """Milliseconds of a call: `{"median": 3.1, "p99": 7.9}`."""
    took = []
    with urllib3.PoolManager(maxsize=1, retries=False, timeout=30) as pool:
        for _ in range(calls):
            began = time.perf_counter()
            answer = pool.request("GET", url, headers=CLOSE)
            took.append(1000 * (time.perf_counter() - began))
            if answer.status != 200:
                raise SystemExit(f"{url} answered {answer.status}")
    return {"median": statistics.median(took), "p99": statistics.quantiles(took, n=100)[98]}


def main() -> None:
    """Measure, and print a line each, or all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with using(Path(tempfile.mkdtemp())) as rig:
        context = rig.context
        url = f"http://{context.source.virtual_ips[0].address}:5000/v3"
        measured(url, given.calls // 10)
        found["before"] = measured(url, given.calls)
        front.stand(context)
        try:
            found["through it"] = measured(url, given.calls)
        finally:
            front.leave(context)
        found["after"] = measured(url, given.calls)
    direct = statistics.mean(found[one]["median"] for one in ("before", "after"))
    ratio = found["through it"]["median"] / direct
    if given.json:
        print(json.dumps({"ms": found, "ratio": round(ratio, 2)}))
        return
    for what, one in found.items():
        print(f"{what}: median {one['median']:.2f} ms, 99 of 100 within {one['p99']:.2f} ms")
    print(f"through the front a call takes {ratio:.2f} times as long")


if __name__ == "__main__":
    main()
