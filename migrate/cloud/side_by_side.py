"""The same asked of many things at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from migrate.errors import MigrateError

One = TypeVar("One")
Answer = TypeVar("Answer")


def each(act: Callable[[One], Answer], over: Iterable[One], workers: int = 8) -> list[Answer]:
    """*act* on each of *over*, at most *workers* at a time; answers in the same order."""
    things = list(over)
    if not things:
        return []
    with ThreadPoolExecutor(min(workers, len(things))) as pool:
        return list(pool.map(act, things))


def answers(asks: Iterable[Callable[[], Any]]) -> list[Any]:
    """What each of *asks* gives; all have ended when the first error of one is raised."""
    return each(lambda ask: ask(), asks)


def told(asks: Iterable[Callable[[], Any]]) -> list[Any]:
    """The same, with a MigrateError that one raises in place of its answer."""

    def tried(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except MigrateError as error:
            return error

    return each(tried, asks)
