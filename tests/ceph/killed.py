"""Steps in a process of their own, killed at any instant or boundary, as by `kill -9` of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from migrate.cloud import Context, apart, connect
from migrate.cloud.admission import Run
from migrate.cloud.host import Host
from migrate.engine.journal import State
from migrate.engine.plan import Step
from migrate.engine.runner import Observer
from migrate.onhost import call
from migrate.storage.ceph import old_address
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


def killed_in_taking(context: Context, function: str, seconds: float | None) -> None:
    """`old_address.take`, killed *seconds* after *function* begins, or when it has ended."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def act() -> None:
        mine = connect(context.stack, context.settings, context.home, (), run=Run())

        def watched(host: Any, name: str, *arguments: Any, **more: Any) -> Any:
            if name == function and seconds is not None:
                threading.Timer(seconds, die).start()
            try:
                return call(host, name, *arguments, **more)
            finally:  # one that was done may end in an error: whoever answered has left by it
                if name == function:
                    die()

        vars(old_address)["call"] = watched  # in this process alone
        old_address.take(mine)

    child = multiprocessing.get_context("fork").Process(target=act)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL, function
    for host in apart(context).hosts:
        call(host, "runs.admit", "next")
        call(host, "runs.leave", "next")
