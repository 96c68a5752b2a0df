"""Ask many hosts at a time: one that fails costs the others nothing, all that do are named."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from migrate.cloud.host import Host
from migrate.errors import (
    LockedError,
    MigrateError,
    PreconditionError,
    RefusedError,
    StepError,
    UnreachableError,
)
from migrate.onhost import call

WORKERS = 16
Answer = TypeVar("Answer")


def gather(hosts: Iterable[Host], ask: Callable[[Host], Answer]) -> list[Answer]:
    """The answer of each of *hosts* to *ask*, in their order.

    When all have been asked, raises what one of them raised, or one error that tells what each did:
    UnreachableError, which names them, where none of those that failed answers.
    """
    asked = list(hosts)
    with ThreadPoolExecutor(min(WORKERS, len(asked) or 1), thread_name_prefix="host") as pool:
        answers = [pool.submit(ask, host) for host in asked]
    failed = {
        host.name: error
        for host, answer in zip(asked, answers, strict=True)
        if (error := answer.exception())
    }
    if failed:
        raise _together(failed)
    return [answer.result() for answer in answers]


def joined(hosts: Iterable[Host], ask: Callable[[Host], Iterable[Answer]]) -> list[Answer]:
    """All that `gather` is answered, in one list."""
    return [one for answer in gather(hosts, ask) for one in answer]


def living(hosts: Iterable[Host], ask: Callable[[Host], Answer]) -> list[Answer]:
    """`gather` of those that answer: one that is dead has nothing to say.

    One that does not let us in is not dead: RefusedError.
    """

    def guarded(host: Host) -> list[Answer]:
        try:
            return [ask(host)]
        except RefusedError:
            raise
        except UnreachableError:
            return []

    return joined(hosts, guarded)


def call_each(those: Iterable[Host], function: str, *arguments: Any, timeout: float = 60) -> Any:
    """A list of what `onhost.call` gives on each of *those*; who fails is told as by `gather`."""
    return gather(those, lambda host: call(host, function, *arguments, timeout=timeout))


def _together(failed: dict[str, BaseException]) -> BaseException:
    errors = list(failed.values())
    bug = next((error for error in errors if not isinstance(error, MigrateError)), None)
    if bug or len(errors) == 1:
        return bug or errors[0]
    if taken := next((error for error in errors if isinstance(error, LockedError)), None):
        return taken  # another run has taken over: it decides, whatever else failed
    told = "; ".join(
        str(error) if str(error).startswith(name) else f"{name}: {error}"
        for name, error in failed.items()
    )
    for kind in (RefusedError, UnreachableError):  # the first is one of the second
        if all(isinstance(error, kind) for error in errors):
            return kind(told, *failed)
    if all(isinstance(error, PreconditionError) for error in errors):
        return PreconditionError(told)
    return StepError(told)
