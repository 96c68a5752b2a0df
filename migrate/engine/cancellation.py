"""The request to stop a run: asked by signals, an abort or the limit; heeded before each begin."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager


class Cancellation:
    """One a session. What runs comes to its end; nothing more begins once a stop is asked for."""

    def __init__(self) -> None:
        self.reason = ""  # who or what asked first
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._ignored = False

    @property
    def requested(self) -> bool:
        return self._asked.is_set()

    def request(self, reason: str, unless: str = "") -> bool:
        """Ask to stop; False, and nothing stops, while step *unless* runs or stops are ignored."""
        with self._lock:
            if self._ignored or unless in self._under_way:
                return False
            if not self.requested:
                self.reason = reason
            self._asked.set()
            return True

    def wait(self, seconds: float) -> bool:
        """Wait for that long; True at once when a stop is asked for."""
        return self._asked.wait(seconds)

    def begins(self, steps: Collection[str]) -> bool:
        """Whether *steps* may begin. They are under way then, so that no stop falls in between."""
        with self._lock:
            if self.requested:
                return False
            self._under_way.update(steps)
            return True

    def ended(self, step: str) -> None:
        with self._lock:
            self._under_way.discard(step)

    def unless_ignored(self, act: Callable[[], None]) -> bool:
        """Do *act* before anything may ignore stops; False, and nothing done, where they are.

        What interrupts the hosts must not fall into a way back that has begun: nobody would let
        the run go on again.
        """
        with self._lock:
            if not self._ignored:
                act()
            return not self._ignored

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Forget what was asked and ignore stop requests meanwhile: for reverting a window."""
        with self._lock:
            self._ignored = True
            self._asked.clear()
        try:
            yield
        finally:
            self._ignored = False
