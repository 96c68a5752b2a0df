"""Asks an API for its version page, five times in two seconds while it answers."""

from __future__ import annotations

import time

from tests.lab.loading.beat import regularly
from tests.lab.loading.http import CallError, request
from tests.lab.loading.record import Record

INTERVAL = 0.4
PATIENCE = 60.0  # as usual clients: a call may be held while the cloud changes sides


async def probe(name: str, address: tuple[str, int], record: Record) -> None:
    """Probe one API until cancelled."""

    async def once() -> None:
        began = time.time()
        try:
            await request("GET", address, "/", seconds=PATIENCE)
        except CallError as failure:
            record.add(f"probe {name}", began, ok=False, note=str(failure))
        else:
            record.add(f"probe {name}", began, ok=True)

    await regularly(once, INTERVAL)
