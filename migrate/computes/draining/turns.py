"""How many servers are on their way at once over all hosts of a run, and whether more may be."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from migrate.cloud import Context
from migrate.engine.cancellation import Cancellation
from migrate.errors import StepError

KEY = "settle-turns"
LOOK_SECONDS = 0.3


class Turns:
    """One a run: `cancellation` is the session's, `free` is counted down by who is at work."""

    def __init__(self, in_all: int, cancellation: Cancellation) -> None:
        self.cancellation = cancellation
        self.free = threading.BoundedSemaphore(in_all)

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Whether it is our turn; not once a stop was asked for."""
        while not self.free.acquire(timeout=LOOK_SECONDS):
            if self.cancellation.requested:
                yield False
                return
        try:
            yield not self.cancellation.requested
        finally:
            self.free.release()


def share(context: Context, cancellation: Cancellation) -> None:
    """From here on all hosts of *context* share these."""
    context.extras[KEY] = Turns(context.settings.settle.concurrency.in_all, cancellation)


def of(context: Context) -> Turns:
    """Those that are shared; of one's own where nobody shares any."""
    found = context.extras.get(KEY)
    return found if isinstance(found, Turns) else Turns(1, Cancellation())


def refuse_interrupted(context: Context, what: str) -> None:
    """StepError once the operator interrupts what runs; nova goes on with what it was asked."""
    if context.run and context.run.interrupted.is_set():
        raise StepError(f"{what}: interrupted; nova goes on with what it was asked")


def stopped(context: Context) -> bool:
    """Whether the operator wants what runs to end: then nothing is wrong with what did not."""
    interrupted = context.run is not None and context.run.interrupted.is_set()
    return interrupted or of(context).cancellation.requested
