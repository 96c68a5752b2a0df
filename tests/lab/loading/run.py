"""python -m tests.lab.loading.run HOME: the load's process, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.lab import load
from tests.lab.loading.calls import Calls
from tests.lab.loading.pings import Pings
from tests.lab.loading.probes import probe
from tests.lab.loading.record import Record
from tests.lab.settings import ALL, Lab
from tests.lab.units import proxied

PORTS = proxied(ALL)
PROBED = ("keystone", "glance", "placement", "nova", "neutron", "cinder", "heat")


async def run(lab: Lab) -> None:
    """Load the cloud until SIGTERM, then clean up."""
    record = Record(load.path(lab))
    calls = Calls(lab, record)
    work = [calls.run(), Pings(load.addresses(lab), record).run()]
    work += [probe(name, (lab.vip, PORTS[name]), record) for name in PROBED]
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(one) for one in work]
    waiting: asyncio.Task[Any] = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await calls.clean()
    for task in done - {waiting}:
        task.result()  # a kind of load ended by itself: say why


if __name__ == "__main__":
    asyncio.run(run(replace(Lab(), home=Path(sys.argv[1]))))
