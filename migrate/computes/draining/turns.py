"""Whose turn it is to be moved, so many at once on each host and in all, and where the plan would
have them.
"""

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from migrate.cloud import Context
from migrate.cloud.wait import Sleep
from migrate.engine.cancellation import Cancellation
from migrate.errors import StepError

KEY = "settle-turns"
LOOK_SECONDS = 0.3

Places = Mapping[tuple[str, str], str]  # by the host that a server leaves and its id


class Turns:
    """One a run: `cancellation` is the session's, `places` are the plan's."""

    def __init__(
        self, per_host: int, in_all: int, cancellation: Cancellation, places: Places | None = None
    ) -> None:
        self.cancellation, self.places = cancellation, places or {}
        self._per_host, self._in_all = per_host, in_all
        self._on: Counter[str] = (
            Counter()
        )  # servers on their way, by each of their hosts; "": in all
        self._ended = threading.Condition()

    @contextmanager
    def one(self, *hosts: str) -> Iterator[bool]:
        """Whether it is the turn of a server that goes from one of *hosts* to the other; not once a
        stop was asked for.
        """
        ends = set(hosts) - {""}
        if not self._take(ends):
            yield False
            return
        try:
            yield not self.cancellation.requested
        finally:
            with self._ended:
                self._on.subtract([*ends, ""])
                self._ended.notify_all()

    def _take(self, ends: Collection[str]) -> bool:
        """Both ends at once: who waits holds nothing."""
        with self._ended:
            while not self._free(ends):
                if self.cancellation.requested:
                    return False
                self._ended.wait(LOOK_SECONDS)
            self._on.update([*ends, ""])
            return True

    def _free(self, ends: Collection[str]) -> bool:
        return self._on[""] < self._in_all and all(self._on[e] < self._per_host for e in ends)


def share(context: Context, cancellation: Cancellation, places: Places | None = None) -> None:
    """From here on all hosts of *context* share these."""
    limits = context.settings.settle.concurrency
    context.extras[KEY] = Turns(limits.per_host, limits.in_all, cancellation, places)


def of(context: Context) -> Turns:
    """Those that are shared; of one's own where nobody shares any."""
    found = context.extras.get(KEY)
    return found if isinstance(found, Turns) else Turns(1, 1, Cancellation())


def refuse_interrupted(context: Context, what: str) -> None:
    """StepError once the operator interrupts what runs; nova goes on with what it was asked."""
    if context.run and context.run.interrupted.is_set():
        raise StepError(f"{what}: interrupted; nova goes on with what it was asked")


def stopped(context: Context) -> bool:
    """Whether the operator wants what runs to end: then nothing is wrong with what did not."""
    interrupted = context.run is not None and context.run.interrupted.is_set()
    return interrupted or of(context).cancellation.requested


def unless_stopped(context: Context, what: str) -> Sleep:
    """Sleeps, for who waits by `wait`; StepError that says *what* once a stop was asked for."""

    def sleep(seconds: float) -> None:
        if stopped(context):
            raise StepError(f"{what}: stopped")
        time.sleep(seconds)

    return sleep
