"""Ask until it is so, or until time is over: the one place that waits by asking again."""

import time
from collections.abc import Callable
from typing import TypeVar

from migrate.errors import StepError

PAUSE_SECONDS = 0.5
Answer = TypeVar("Answer")
Sleep = Callable[[float], object]


def until(
    condition: Callable[[], bool], seconds: float, what: str, pause: float = PAUSE_SECONDS
) -> None:
    """Return when *condition* holds; StepError that says *what* after *seconds*."""
    if while_any(lambda: not condition(), seconds, pause):
        raise StepError(what)


def while_any(
    wrong: Callable[[], Answer],
    seconds: float,
    pause: float = PAUSE_SECONDS,
    sleep: Sleep = time.sleep,
) -> Answer:
    """Ask what is *wrong* until nothing is, at most for *seconds*; the last answer.

    It is asked at least once. *sleep* may raise, to wait no longer.
    """
    deadline = time.monotonic() + seconds
    while (found := wrong()) and time.monotonic() < deadline:
        sleep(pause)
    return found


def while_changing(
    wrong: Callable[[], Answer],
    seconds: float,
    pause: float = PAUSE_SECONDS,
    sleep: Sleep = time.sleep,
) -> Answer:
    """Ask what is *wrong* until nothing is, or it has been the same for *seconds*; the last answer.

    However long it takes, as long as it gets on.
    """
    found = wrong()
    deadline = time.monotonic() + seconds
    while found and time.monotonic() < deadline:
        sleep(pause)
        if (now := wrong()) != found:
            found, deadline = now, time.monotonic() + seconds
    return found


def while_raising(
    kind: type[Exception], act: Callable[[], Answer], seconds: float, pause: float = PAUSE_SECONDS
) -> Answer:
    """What *act* gives, tried again for *seconds* while it raises *kind*; then that is raised."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except kind:
            if time.monotonic() > deadline:
                raise
        time.sleep(pause)
