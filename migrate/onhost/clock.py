"""The time of this host that nobody sets while it runs: a stepped clock moves no deadline."""

import time
from typing import Any

from migrate.onhost import disk


def begun() -> dict[str, Any]:
    """What `now` goes by later on: `{"boot": "6f2c...", "ahead": 1764428000.0}`."""
    return {"boot": _boot(), "ahead": time.time() - _since_boot()}


def now(kept: dict[str, Any]) -> float:
    """Seconds since the epoch as they were told when *kept* was, and counted on since.

    By the clock where the host has booted in between.
    """
    if kept.get("boot") != _boot():
        return time.time()
    return float(kept["ahead"]) + _since_boot()


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _boot() -> str:
    return disk.text("/proc/sys/kernel/random/boot_id").strip()
