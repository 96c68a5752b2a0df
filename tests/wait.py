"""Tests wait for conditions, not for seconds: one way to do it, with generous deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from migrate.errors import CommandError, UnreachableError


def waits_for(question: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether *question* is true within *seconds*; a host that boots meanwhile may not answer."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(UnreachableError, CommandError):
            if question():
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
