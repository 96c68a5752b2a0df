"""Steps in a process of their own, killed at any instant or boundary, as by `kill -9` of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable

from migrate.cloud.admission import Run
from migrate.cloud.host import Host
from migrate.engine.journal import State
from migrate.engine.plan import Step
from migrate.engine.runner import Observer
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


def killed_at(step: Step, state: State, act: Callable[[Observer], object]) -> None:
    """*act* as a process of its own, which dies once *step* is told to be *state*.

    It makes connections of its own: those of its parent are no more than sockets to it.
    """

    def notify(told: Step, now: State, _: str) -> None:
        if (told.id, now) == (step.id, state):
            os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(target=act, args=(notify,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL, (step.id, state)


def seconds_of(act: Act, old: Host, new: Host) -> float:
    """How long *act* takes when nobody kills it."""
    began = time.monotonic()
    act(old, new)
    return time.monotonic() - began
