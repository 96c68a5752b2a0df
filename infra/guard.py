"""Whether the cloud of this stack serves, or a run is at work on it: then nothing is touched."""

from __future__ import annotations

import time
from collections.abc import Callable

from migrate.errors import PreconditionError

Ask = Callable[[str], str | None]

REMEMBER_SECONDS = 20
_answers: dict[tuple[str, Ask], tuple[float, str | None]] = {}


def refusal(stack: str) -> str | None:
    """The words that refuse, or None where nothing stands against a change or a deletion."""
    from migrate.phases import guard  # noqa: PLC0415  the phases are not needed to build

    return _remembered(stack, guard.refuse_delete)


def insist_idle(stack: str, what: str) -> None:
    """Raise PreconditionError when a run is at work on *stack*; a preview does not ask."""
    from migrate.phases import guard  # noqa: PLC0415  the phases are not needed to build

    if words := _remembered(stack, guard.refuse_beside):
        raise PreconditionError(f"{what}: {words}")


def insist(stack: str, what: str) -> None:
    """Raise PreconditionError when *what* must not be done to *stack* now."""
    insist_idle(stack, what)
    if words := refusal(stack):
        raise PreconditionError(f"{what}: {words}")


def _remembered(stack: str, ask: Ask) -> str | None:
    """The machines are asked, so the answer is kept for a moment: a destroy asks for each part."""
    asked, answer = _answers.get((stack, ask), (0.0, None))
    if not asked or time.monotonic() - asked > REMEMBER_SECONDS:
        answer = ask(stack)
        _answers[stack, ask] = time.monotonic(), answer
    return answer


def forget() -> None:
    """Ask the machines again next time: something has just changed them."""
    _answers.clear()
