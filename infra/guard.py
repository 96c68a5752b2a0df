"""Whether the cloud that this stack made is the one that serves: then nothing of it may go."""

from __future__ import annotations

import time

from migrate.errors import PreconditionError

REMEMBER_SECONDS = 20
_answers: dict[str, tuple[float, str | None]] = {}


def refusal(stack: str) -> str | None:
    """The words that refuse, or None where nothing stands against a change or a deletion.

    The machines are asked, so the answer is kept for a moment: a destroy asks for each resource.
    """
    from migrate.phases import guard  # noqa: PLC0415  the phases are not needed to build

    asked, answer = _answers.get(stack, (0.0, None))
    if not asked or time.monotonic() - asked > REMEMBER_SECONDS:
        answer = guard.refuse_delete(stack)
        _answers[stack] = time.monotonic(), answer
    return answer


def insist(stack: str, what: str) -> None:
    """Raise PreconditionError when *what* must not be done to *stack* now."""
    if words := refusal(stack):
        raise PreconditionError(f"{what}: {words}")


def forget() -> None:
    """Ask the machines again next time: something has just changed them."""
    _answers.clear()
