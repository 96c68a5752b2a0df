"""A step in a process of its own, killed at any instant, as `kill -9` of the program would."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

from migrate.cloud.admission import Run
from migrate.cloud.host import Host
from migrate.onhost import call
from tests.ceph.conftest import Reach

Act = Callable[[Host, Host], object]


def killed_after(seconds: float, act: Act, reach: Reach, *names: str) -> None:
    """*act* as a process of its own, killed after *seconds*; the next run ends what it left."""
    run = Run()
    marked = [reach(name, run) for name in names]
    child = multiprocessing.get_context("fork").Process(target=act, args=marked)
    child.start()
    child.join(seconds)
    child.kill()
    child.join()
    for name in names:
        call(reach(name), "runs.admit", "next")
        call(reach(name), "runs.leave", "next")


def seconds_of(act: Act, old: Host, new: Host) -> float:
    """How long *act* takes when nobody kills it."""
    began = time.monotonic()
    act(old, new)
    return time.monotonic() - began
