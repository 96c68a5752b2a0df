"""Ask something in a process of its own: what it imports and sets is gone afterwards."""

import json
import os
from collections.abc import Callable
from typing import Any


def apart(ask: Callable[[], Any]) -> Any:
    """What *ask* answers in a child of this process; RuntimeError with what went wrong there."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(ask, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as stream:
        told = stream.read()
    os.waitpid(child, 0)
    good, answer = json.loads(told) if told else (False, "it ended without an answer")
    if not good:
        raise RuntimeError(answer)
    return answer


def _answer(ask: Callable[[], Any], writer: int) -> None:
    """Write what *ask* answers, or its error without lines of an operator's files; then end."""
    try:
        answer = True, ask()
    except BaseException as error:
        answer = False, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)
    os._exit(0)
