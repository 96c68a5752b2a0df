"""Work begun at a steady beat, as long as it gets done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

AT_ONCE = 3


async def regularly(
    work: Callable[[], Coroutine[Any, Any, Any]], interval: float, *, settle: float = 0.0
) -> None:
    """Begin *work* each *interval* seconds until cancelled; a late answer delays no other.

    With AT_ONCE unanswered a beat is left out: users wait, too. Else a slow cloud is buried under
    calls that nobody waits for any more; its listen queues stay full, and it does not get out of
    that again (measured on two slow cores, minutes after a rollback). When cancelled, what was
    begun has *settle* seconds to end: else a port is made after the load has cleaned up.
    """
    running: set[asyncio.Task[Any]] = set()
    beat = time.monotonic()
    try:
        while True:
            if len(running) < AT_ONCE:
                task = asyncio.create_task(work())
                running.add(task)
                task.add_done_callback(running.discard)
            beat = max(beat + interval, time.monotonic())  # what was missed is not caught up
            await asyncio.sleep(beat - time.monotonic())
    finally:
        if running:
            await asyncio.wait(running, timeout=settle)
        for task in running:
            task.cancel()
