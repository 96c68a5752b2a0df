"""Machines of the rig lose power, and get it again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from infra import nspawn
from infra.nspawn import Machine
from migrate.cloud import wait
from migrate.cloud.host import Host
from migrate.engine.journal import State
from migrate.engine.plan import Step
from migrate.engine.runner import Observer
from migrate.errors import MigrateError
from migrate.storage.ceph import monitor
from tests.lab.ceph import cluster, packages
from tests.lab.ceph.settings import CephRig

WHOLE_SECONDS = 180


def lost(rig: CephRig, name: str) -> None:
    """The machine *name*, of the new release, is off at once."""
    nspawn.stop(_machine(rig, name), 0)


def back(rig: CephRig, name: str) -> None:
    """It has booted."""
    nspawn.start(_machine(rig, name))
    nspawn.wait_for_ssh(_machine(rig, name))


def lost_in(
    rig: CephRig, name: str, step: Step, seconds: float, act: Callable[[Observer], object]
) -> None:
    """It is lost *seconds* after *act* has told that *step* was started, whatever becomes of it."""
    off = threading.Timer(seconds, lost, (rig, name))

    def notify(told: Step, now: State, _: str) -> None:
        if (told.id, now) == (step.id, State.STARTED):
            off.start()

    with suppress(MigrateError):
        act(notify)
    off.join()  # RuntimeError where the step was not even started
    assert not nspawn.is_running(_machine(rig, name))


def wait_for_quorum(asked: Host, *names: str) -> None:
    """Return when the quorum is of *names*; of all in the map where none is given."""

    def other() -> object:
        now = monitor.standing(asked)
        wanted = {*names} or {one.name for one in now.monitors}
        return "" if now.quorum == wanted else (now.quorum, wanted)

    assert not wait.while_any(other, WHOLE_SECONDS, pause=1)


def _machine(rig: CephRig, name: str) -> Machine:
    return cluster.machine(rig, name, packages.new())
