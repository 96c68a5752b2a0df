"""Asks every API for its version page ten times a second; a late answer delays no other."""

from __future__ import annotations

import asyncio
import time

from tests.lab.loading.http import CallError, request
from tests.lab.loading.record import Record

INTERVAL = 0.1
PATIENCE = 1.0


async def probe(name: str, address: tuple[str, int], record: Record) -> None:
    """Probe one API until cancelled."""
    beat = time.monotonic()
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_once(name, address, record))
            beat += INTERVAL
            await asyncio.sleep(max(0, beat - time.monotonic()))


async def _once(name: str, address: tuple[str, int], record: Record) -> None:
    began = time.time()
    try:
        await request("GET", address, "/", seconds=PATIENCE)
    except CallError as failure:
        record.add(f"probe {name}", began, ok=False, note=str(failure))
    else:
        record.add(f"probe {name}", began, ok=True)
