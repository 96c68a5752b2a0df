"""What a service stands on, judged by what its files say: what no code here moves is refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol


class Options(Protocol):
    """A program's options as it sees them."""

    def get(self, section: str, name: str, default: str = "") -> str: ...

    def listed(self, section: str, name: str, default: str = "") -> list[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that is not moved, or a `warning` about what is."""

    message: str
    remedy: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Images, whose files are copied and proven: see `migrate.storage.images`.

    `query` gives of each that is active id, size, algorithm, hash, MD5 and location; {d} is the
    database. `folder` is where a file store keeps them, by the options of `program`.
    """

    query: str
    program: str
    folder: Callable[[Options], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """An option that lists plugins, by the entry points' group in which the release has them."""

    group: str
    section: str
    option: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """Who judges a service's back ends, and whose files say which they are."""

    program: str
    judge: Callable[[Options], Iterator[Refusal]]
    plugins: tuple[Plugins, ...] = ()  # the target's release must have each that is named
